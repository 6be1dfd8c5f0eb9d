import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.StringReader;
import java.math.BigInteger;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertPath;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CRL;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.cms.SignedData;
import org.bouncycastle.asn1.cms.SignerInfo;
import org.bouncycastle.asn1.ess.ESSCertIDv2;
import org.bouncycastle.asn1.ess.SigningCertificateV2;
import org.bouncycastle.asn1.gm.GMObjectIdentifiers;
import org.bouncycastle.asn1.ocsp.OCSPObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.CRLDistPoint;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.ocsp.BasicOCSPResp;
import org.bouncycastle.cert.ocsp.CertificateStatus;
import org.bouncycastle.cert.ocsp.OCSPReq;
import org.bouncycastle.cert.ocsp.OCSPResp;
import org.bouncycastle.cert.ocsp.RevokedStatus;
import org.bouncycastle.cert.ocsp.SingleResp;
import org.bouncycastle.cert.ocsp.UnknownStatus;
import org.bouncycastle.cms.CMSException;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.operator.ContentVerifierProvider;
import org.bouncycastle.operator.DigestCalculator;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.tsp.TimeStampToken;

/**
 * Shows a kept demo to BouncyCastle, the stranger that knows SM2 whole: chains, CRLs, OCSP responses, requests, signed documents
 * and time stamps of both families, through the same path validation. Usage: Check WORLD LABELS DOCUMENTS (label, family,
 * authority, serial, status by tabs; family, signer by tabs).
 * Prints one line for each check: "ok   bouncycastle: …" or "FAIL bouncycastle: …".
 */
public final class Check {
    /** A check that did not hold; its message says why. */
    private static final class Refused extends Exception {
        Refused(String why) {
            super(why);
        }
    }

    private interface Question {
        void ask() throws Exception;
    }

    /** One line of LABELS. */
    private static final class Subject {
        final String label;
        final String authority;
        final String serial;
        final String status;

        Subject(String line) {
            String[] field = line.split("\t");
            label = field[0];
            authority = field[2];
            serial = field[3];
            status = field[4];
        }
    }

    /** SM2 as GB/T 35275 names it in a SignerInfo. */
    private static final ASN1ObjectIdentifier SM2_SIGN = new ASN1ObjectIdentifier("1.2.156.10197.1.301.1");

    private final Path world;
    private final Path documents;
    private final List<Subject> subjects = new ArrayList<>();
    private final TreeMap<String, X509Certificate> authorities = new TreeMap<>();
    private final CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
    private final DigestCalculatorProvider digests = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        new Check(Path.of(arguments[0]), Path.of(arguments[1]), Path.of(arguments[2])).run();
    }

    private Check(Path world, Path labels, Path documents) throws Exception {
        this.world = world;
        this.documents = documents;
        for (String line : Files.readAllLines(labels)) {
            subjects.add(new Subject(line));
        }
        for (String folder : List.of("trust", "authorities")) {
            for (Path path : files(folder, "*.pem")) {
                authorities.put(path.getFileName().toString().replace(".pem", ""), certificate(path));
            }
        }
    }

    private void run() throws Exception {
        for (String name : authorities.keySet()) {
            check(name + " is signed by a root", () -> verifyAuthority(name));
            check("crl/" + name + ".crl", () -> verifyCrl(crl(name + ".crl"), name));
            for (Path shard : files("crl/" + name, "*.crl")) {
                String file = name + "/" + shard.getFileName();
                check("crl/" + file, () -> verifyCrl(crl(file), name));
            }
        }
        for (Path path : files("responders", "*.pem")) {
            String name = path.getFileName().toString().replace(".pem", "");
            check("responder of " + name, () -> verifyResponder(holder(certificate(path)), name));
        }
        check("listener", () -> validate(certificate(world.resolve("listener.pem")), null));
        for (Subject subject : subjects) {
            checkSubject(subject);
        }
        for (String family : List.of("p256", "sm2")) {
            check(family + ".unknown", () -> verifyOcsp(family + ".unknown", null));
        }
        for (String line : Files.readAllLines(documents)) {
            checkDocuments(line.split("\t")[0], line.split("\t")[1]);
        }
    }

    private void checkDocuments(String family, String signer) {
        List<String> forms = new ArrayList<>(List.of("p7s", "p7m", "unstamped.p7s"));
        if (family.equals("sm2")) {
            forms.addAll(List.of("gmt0010.p7s", "gmt0010.p7m"));
        }
        for (String form : forms) {
            check("signatures/" + family + "." + form, () -> verifySignature(family + "." + form, signer));
        }
        check("signatures/" + family + ".tst", () -> verifyStamp(new TimeStampToken(new CMSSignedData(signature(family + ".tst"))), signature("document.txt")));
    }

    private void checkSubject(Subject subject) throws Exception {
        String label = subject.label;
        check(label + ": issuer, serial number and signature", () -> verifyLeaf(subject));
        check(label + ": path to the root", () -> validate(leaf(subject), null));
        check(label + ": path with the whole CRL", () -> validateStatus(subject, subject.authority + ".crl"));
        check(label + ": path with the shard it names", () -> validateStatus(subject, shardOf(leaf(subject))));
        check(label + ": proof of possession", () -> verifyRequest(subject));
        check(label + ": PKCS#7", () -> verifyPkcs7(subject));
        for (Path path : files("ocsp", label + ".*.resp")) {
            String name = path.getFileName().toString().replace(".resp", "");
            check(name, () -> verifyOcsp(name, subject));
        }
    }

    private void verifyAuthority(String name) throws Exception {
        X509Certificate authority = authorities.get(name);
        X509Certificate root = name.startsWith("root-") ? authority : rootOf(authority);
        authority.verify(root.getPublicKey(), "BC");
        require(authority.getBasicConstraints() >= 0, "it is not a CA");
        require(authority.getKeyUsage()[5] && authority.getKeyUsage()[6], "it may not sign certificates and CRLs");
        authority.checkValidity();
    }

    private void verifyCrl(X509CRL crl, String authority) throws Exception {
        X509Certificate issuer = authority(authority);
        require(crl.getIssuerX500Principal().equals(issuer.getSubjectX500Principal()), "its issuer is " + crl.getIssuerX500Principal());
        crl.verify(issuer.getPublicKey(), "BC");
        require(crl.getNextUpdate() != null && crl.getNextUpdate().after(new Date()), "it is stale");
    }

    private void verifyLeaf(Subject subject) throws Exception {
        X509Certificate leaf = leaf(subject);
        X509Certificate issuer = authority(subject.authority);
        require(leaf.getIssuerX500Principal().equals(issuer.getSubjectX500Principal()), "its issuer is " + leaf.getIssuerX500Principal());
        leaf.verify(issuer.getPublicKey(), "BC");
        require(leaf.getSerialNumber().equals(new BigInteger(subject.serial, 16)), "its serial number is another");
        require(leaf.getBasicConstraints() < 0, "it is a CA");
    }

    /** Builds the path from the certificate to its root and validates it; with CRLs, no certificate of it may be revoked. */
    private void validate(X509Certificate leaf, Collection<X509CRL> crls) throws Exception {
        X509Certificate authority = issuerOf(leaf);
        List<Object> known = new ArrayList<>(List.of(leaf, authority));
        if (crls != null) {
            known.addAll(crls);
        }
        X509CertSelector target = new X509CertSelector();
        target.setCertificate(leaf);
        Set<TrustAnchor> anchors = Set.of(new TrustAnchor(rootOf(authority), null));
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, target);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(known), "BC"));
        parameters.setRevocationEnabled(false);
        CertPath path = CertPathBuilder.getInstance("PKIX", "BC").build(parameters).getCertPath();
        require(path.getCertificates().size() == 2, "the path has " + path.getCertificates().size() + " certificates");
        // Validated apart from the building: the builder would wrap a revocation in "no path found".
        parameters.setRevocationEnabled(crls != null);
        CertPathValidator.getInstance("PKIX", "BC").validate(path, parameters);
    }

    private void validateStatus(Subject subject, String file) throws Exception {
        X509Certificate leaf = leaf(subject);
        String root = nameOf(rootOf(authority(subject.authority)));
        List<X509CRL> crls = List.of(crl(file), crl(root + ".crl"));
        try {
            validate(leaf, crls);
        } catch (CertPathValidatorException refusal) {
            boolean revoked = refusal.getIndex() == 0 && refusal.getMessage().contains("revocation");
            require(subject.status.equals("revoked") && revoked, "refused: " + refusal.getMessage());
            return;
        }
        require(subject.status.equals("good"), "accepted, though it is " + subject.status);
    }

    private void verifyRequest(Subject subject) throws Exception {
        try (PEMParser pem = new PEMParser(new StringReader(Files.readString(world.resolve("requests/" + subject.label + ".csr"))))) {
            PKCS10CertificationRequest request = (PKCS10CertificationRequest) pem.readObject();
            require(request.isSignatureValid(verifier(request.getSubjectPublicKeyInfo())), "the signature is wrong");
            boolean same = request.getSubjectPublicKeyInfo().equals(holder(leaf(subject)).getSubjectPublicKeyInfo());
            require(same, "another key was certified");
        }
    }

    private void verifyPkcs7(Subject subject) throws Exception {
        byte[] der = Files.readAllBytes(world.resolve("certificates/" + subject.label + ".p7c"));
        Collection<X509CertificateHolder> inside = new CMSSignedData(der).getCertificates().getMatches(null);
        require(inside.contains(holder(leaf(subject))), "the certificate is not in it");
        require(inside.contains(holder(authority(subject.authority))), "its authority is not in it");
    }

    private void verifySignature(String file, String label) throws Exception {
        byte[] document = signature("document.txt");
        byte[] der = withKnownAlgorithm(signature(file));
        boolean attached = file.endsWith(".p7m");
        CMSSignedData signed = attached ? new CMSSignedData(der) : new CMSSignedData(new CMSProcessableByteArray(document), der);
        require(Arrays.equals((byte[]) signed.getSignedContent().getContent(), document), "the document is not in it");
        require(signed.getSignerInfos().size() == 1, "not one signer");
        SignerInformation signer = signed.getSignerInfos().getSigners().iterator().next();
        X509CertificateHolder own = holder(certificate(world.resolve("certificates/" + label + ".crt")));
        require(signed.getCertificates().getMatches(signer.getSID()).contains(own), "the signer's certificate is not in it");
        require(signer.verify(verifier(own)), "the signature is wrong");

        Attribute named = signer.getSignedAttributes().get(PKCSObjectIdentifiers.id_aa_signingCertificateV2);
        ESSCertIDv2 id = SigningCertificateV2.getInstance(named.getAttributeValues()[0]).getCerts()[0];
        require(Arrays.equals(id.getCertHash(), digest(id.getHashAlgorithm(), own.getEncoded())), "the signature names another certificate");
        if (!attached) {
            CMSSignedData other = new CMSSignedData(new CMSProcessableByteArray("another".getBytes()), der);
            require(!holds(other.getSignerInfos().getSigners().iterator().next(), own), "it is of another document as well");
        }
        Attribute stamp = signer.getUnsignedAttributes() == null ? null : signer.getUnsignedAttributes().get(PKCSObjectIdentifiers.id_aa_signatureTimeStampToken);
        require((stamp == null) == file.contains("unstamped"), "stamped, or not, against its name");
        if (stamp != null) {
            verifyStamp(new TimeStampToken(ContentInfo.getInstance(stamp.getAttributeValues()[0])), signer.getSignature());
        }
    }

    private static boolean holds(SignerInformation signer, X509CertificateHolder certificate) throws Exception {
        try {
            return signer.verify(verifier(certificate));
        } catch (CMSException differs) {
            return false;
        }
    }

    /** RFC 3161 §2.2: what a client must confirm before it believes a token. */
    private void verifyStamp(TimeStampToken token, byte[] stamped) throws Exception {
        Collection<X509CertificateHolder> inside = token.getCertificates().getMatches(token.getSID());
        require(inside.size() == 1, "the authority's certificate is not in it");
        X509CertificateHolder stamper = inside.iterator().next();
        token.validate(verifier(stamper));
        AlgorithmIdentifier hash = token.getTimeStampInfo().getHashAlgorithm();
        require(Arrays.equals(token.getTimeStampInfo().getMessageImprintDigest(), digest(hash, stamped)), "it is of something else");
        require(!token.getTimeStampInfo().getGenTime().after(new Date()), "it is of the future");
        validate((X509Certificate) factory.generateCertificate(new ByteArrayInputStream(stamper.getEncoded())), null);
    }

    /**
     * GB/T 35275 names the algorithm of the key where BouncyCastle wants that of the signature. No signature covers the field,
     * so the one is put in the other's place.
     */
    private static byte[] withKnownAlgorithm(byte[] der) throws IOException {
        ContentInfo outer = ContentInfo.getInstance(der);
        SignedData data = SignedData.getInstance(outer.getContent());
        ASN1EncodableVector signers = new ASN1EncodableVector();
        for (ASN1Encodable one : data.getSignerInfos()) {
            SignerInfo signer = SignerInfo.getInstance(one);
            AlgorithmIdentifier algorithm = signer.getDigestEncryptionAlgorithm();
            if (algorithm.getAlgorithm().equals(SM2_SIGN)) {
                algorithm = new AlgorithmIdentifier(GMObjectIdentifiers.sm2sign_with_sm3);
            }
            signers.add(new SignerInfo(signer.getSID(), signer.getDigestAlgorithm(), signer.getAuthenticatedAttributes(), algorithm,
                    signer.getEncryptedDigest(), signer.getUnauthenticatedAttributes()));
        }
        SignedData known = new SignedData(data.getDigestAlgorithms(), data.getEncapContentInfo(), data.getCertificates(), data.getCRLs(), new DERSet(signers));
        return new ContentInfo(outer.getContentType(), known).getEncoded();
    }

    private byte[] digest(AlgorithmIdentifier algorithm, byte[] message) throws Exception {
        DigestCalculator calculator = digests.get(algorithm);
        calculator.getOutputStream().write(message);
        return calculator.getDigest();
    }

    private byte[] signature(String file) throws IOException {
        return Files.readAllBytes(world.resolve("signatures").resolve(file));
    }

    private static SignerInformationVerifier verifier(X509CertificateHolder certificate) throws Exception {
        return new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate);
    }

    /** RFC 6960 §3.2: what a client must confirm before it believes a response. */
    private void verifyOcsp(String name, Subject subject) throws Exception {
        OCSPReq request = new OCSPReq(Files.readAllBytes(world.resolve("ocsp/" + name + ".req")));
        OCSPResp outer = new OCSPResp(Files.readAllBytes(world.resolve("ocsp/" + name + ".resp")));
        require(outer.getStatus() == OCSPResp.SUCCESSFUL, "the responder answers " + outer.getStatus());
        BasicOCSPResp response = (BasicOCSPResp) outer.getResponseObject();
        require(response.getResponses().length == 1 && request.getRequestList().length == 1, "not one question and one answer");
        SingleResp answer = response.getResponses()[0];
        require(answer.getCertID().equals(request.getRequestList()[0].getCertID()), "the answer is about another certificate");
        String authority = subject != null ? subject.authority : authorityAsked(answer);
        require(answer.getCertID().matchesIssuer(holder(authority(authority)), digests), "the CertID names another issuer");
        require(subject == null || answer.getCertID().getSerialNumber().equals(leaf(subject).getSerialNumber()), "the CertID has another serial number");

        require(response.getCerts().length > 0, "no responder certificate is enclosed");
        X509CertificateHolder responder = response.getCerts()[0];
        verifyResponder(responder, authority);
        require(response.isSignatureValid(verifier(responder.getSubjectPublicKeyInfo())), "the signature is wrong");

        Extension asked = request.getExtension(OCSPObjectIdentifiers.id_pkix_ocsp_nonce);
        Extension answered = response.getExtension(OCSPObjectIdentifiers.id_pkix_ocsp_nonce);
        require(asked != null && answered != null, "the request or the answer has no nonce");
        require(Arrays.equals(asked.getExtnValue().getOctets(), answered.getExtnValue().getOctets()), "the nonce is another");

        Date now = new Date();
        require(!answer.getThisUpdate().after(now) && (answer.getNextUpdate() == null || answer.getNextUpdate().after(now)), "it is not of now");
        String status = status(answer.getCertStatus());
        require(name.endsWith("." + status), "the status is " + status);
    }

    /** RFC 6960 §4.2.2.2: issued by the very authority that it answers for, and marked to sign responses. */
    private void verifyResponder(X509CertificateHolder responder, String name) throws Exception {
        X509CertificateHolder authority = holder(authority(name));
        require(responder.getIssuer().equals(authority.getSubject()), "the responder was issued by " + responder.getIssuer());
        require(responder.isSignatureValid(verifier(authority.getSubjectPublicKeyInfo())), "the responder's certificate has a wrong signature");
        require(responder.isValidOn(new Date()), "the responder's certificate is not valid now");
        ExtendedKeyUsage usage = ExtendedKeyUsage.fromExtensions(responder.getExtensions());
        require(usage != null && usage.hasKeyPurposeId(KeyPurposeId.id_kp_OCSPSigning), "the responder may not sign responses");
        require(responder.getExtension(OCSPObjectIdentifiers.id_pkix_ocsp_nocheck) != null, "the responder's own status is left open");
    }

    private String authorityAsked(SingleResp answer) throws Exception {
        for (String name : authorities.keySet()) {
            if (answer.getCertID().matchesIssuer(holder(authorities.get(name)), digests)) {
                return name;
            }
        }
        throw new Refused("the CertID names no authority of ours");
    }

    private static String status(CertificateStatus status) {
        if (status == CertificateStatus.GOOD) {
            return "good";
        }
        return status instanceof RevokedStatus ? "revoked" : status instanceof UnknownStatus ? "unknown" : "unheard of";
    }

    /** The path under crl/ that the certificate's distribution point names. */
    private static String shardOf(X509Certificate leaf) throws Exception {
        CRLDistPoint points = CRLDistPoint.getInstance(holder(leaf).getExtension(Extension.cRLDistributionPoints).getParsedValue());
        GeneralNames names = GeneralNames.getInstance(points.getDistributionPoints()[0].getDistributionPoint().getName());
        GeneralName name = names.getNames()[0];
        String url = name.getName().toString();
        require(url.contains("/crl/"), "the distribution point is " + url);
        return url.substring(url.indexOf("/crl/") + 5);
    }

    private X509Certificate leaf(Subject subject) throws Exception {
        return certificate(world.resolve("certificates/" + subject.label + ".crt"));
    }

    private X509Certificate certificate(Path path) throws Exception {
        return (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(Files.readAllBytes(path)));
    }

    private X509CRL crl(String file) throws Exception {
        return (X509CRL) factory.generateCRL(new ByteArrayInputStream(Files.readAllBytes(world.resolve("crl").resolve(file))));
    }

    private X509Certificate authority(String name) throws Refused {
        require(authorities.containsKey(name), "there is no authority " + name);
        return authorities.get(name);
    }

    private X509Certificate issuerOf(X509Certificate certificate) throws Refused {
        for (X509Certificate authority : authorities.values()) {
            if (authority.getSubjectX500Principal().equals(certificate.getIssuerX500Principal())) {
                return authority;
            }
        }
        throw new Refused("no authority is named " + certificate.getIssuerX500Principal());
    }

    private X509Certificate rootOf(X509Certificate authority) throws Refused {
        X509Certificate root = issuerOf(authority);
        require(nameOf(root).startsWith("root-"), "it was not issued by a root");
        return root;
    }

    private String nameOf(X509Certificate authority) throws Refused {
        for (String name : authorities.keySet()) {
            if (authorities.get(name).equals(authority)) {
                return name;
            }
        }
        throw new Refused("it is no authority of ours");
    }

    private static X509CertificateHolder holder(X509Certificate certificate) throws Exception {
        return new X509CertificateHolder(certificate.getEncoded());
    }

    private static ContentVerifierProvider verifier(SubjectPublicKeyInfo key) throws Exception {
        return new JcaContentVerifierProviderBuilder().setProvider("BC").build(key);
    }

    private List<Path> files(String folder, String glob) throws IOException {
        List<Path> found = new ArrayList<>();
        if (Files.isDirectory(world.resolve(folder))) {
            try (DirectoryStream<Path> paths = Files.newDirectoryStream(world.resolve(folder), glob)) {
                paths.forEach(found::add);
            }
        }
        found.sort(null);
        return found;
    }

    private static void require(boolean holds, String otherwise) throws Refused {
        if (!holds) {
            throw new Refused(otherwise);
        }
    }

    private static void check(String name, Question question) {
        try {
            question.ask();
            System.out.println("ok   bouncycastle: " + name);
        } catch (Refused refusal) {
            System.out.println("FAIL bouncycastle: " + name + ": " + refusal.getMessage());
        } catch (Exception | LinkageError trouble) {
            System.out.println("FAIL bouncycastle: " + name + ": " + trouble);
        }
    }
}
