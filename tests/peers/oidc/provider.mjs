// An OpenID Connect provider with a login form, for the tests: node-oidc-provider, a certified implementation, on this machine.
//
//   node provider.mjs REDIRECT_URI ACCOUNTS          ACCOUNTS: {"name": {"acr": …, claims…}} as JSON
//
// Prints its issuer on a line of its own. POST /mischief with a JSON object makes the next ID token a forged one: the members
// of `claims` replace those of the token, which is signed again with the provider's key, or with none (`"alg": "none"`), or
// with a stranger's (`"key": "other"`), or its signature is damaged (`"signature": "flip"`).

import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import Provider from 'oidc-provider';

const [redirectUri, accountsJson] = process.argv.slice(2);
const accounts = JSON.parse(accountsJson);
const keys = { own: generateKeyPairSync('ec', { namedCurve: 'P-256' }), other: generateKeyPairSync('ec', { namedCurve: 'P-256' }) };
const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'hufu', client_secret: 'a secret of both', redirect_uris: [redirectUri], id_token_signed_response_alg: 'ES256',
  }],
  jwks: { keys: [{ ...keys.own.privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'own' }] },
  acrValues: ['urn:example:high', 'urn:example:substantial', 'urn:example:nothing'],
  claims: { acr: null, openid: ['sub'], profile: ['name', 'resident_number'], email: ['email', 'email_verified'] },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  features: { devInteractions: { enabled: false } },
  pkce: { methods: ['S256'], required: () => true },
  interactions: { url: (_, interaction) => `/login/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts[id], acr: undefined }) }),
  ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
});

const body = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

async function login(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    return response.end(`<form method="post" action="/login/${details.uid}"><input name="account"><button>登录</button></form>`);
  }
  const account = new URLSearchParams(await body(request)).get('account');
  const grant = new provider.Grant({ accountId: account, clientId: details.params.client_id });
  grant.addOIDCScope(details.params.scope);
  const result = { login: { accountId: account, acr: accounts[account].acr }, consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

let mischief;

/** Another ID token in place of the genuine one. */
function forged(token, { claims = {}, alg, key = 'own', signature }) {
  const [header, payload, genuine] = token.split('.');
  const json = (part) => JSON.parse(Buffer.from(part, 'base64url'));
  const text = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  if (signature === 'flip') return `${header}.${payload}.${genuine[0] === 'A' ? 'B' : 'A'}${genuine.slice(1)}`;
  const input = `${text({ ...json(header), ...(alg && { alg }) })}.${text({ ...json(payload), ...claims })}`;
  if (alg === 'none') return `${input}.`;
  return `${input}.${sign('sha256', Buffer.from(input), { key: keys[key].privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const callback = provider.callback();
server.on('request', async (request, response) => {
  if (request.url === '/mischief') {
    mischief = JSON.parse(await body(request));
    return response.end('{}');
  }
  if (request.url.startsWith('/login/')) return login(request, response).catch((error) => response.writeHead(500).end(String(error)));
  if (request.url === '/token' && mischief) {
    const [how, end] = [mischief, response.end.bind(response)];
    mischief = undefined;
    response.end = (chunk, ...rest) => {
      const answer = JSON.parse(chunk);
      if (answer.id_token) answer.id_token = forged(answer.id_token, how);
      const altered = Buffer.from(JSON.stringify(answer));
      response.setHeader('content-length', altered.length);
      return end(altered, ...rest);
    };
  }
  return callback(request, response);
});
console.log(issuer);
