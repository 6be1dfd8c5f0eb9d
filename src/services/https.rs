//! Requests that the service makes itself: to an identity provider, to a webhook. By HTTPS, to a server that a configured root
//! vouches for, without redirections: whoever could send us elsewhere would be handed what is meant for another.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use url::Url;

use crate::crypto::tls;

/// A client for the server at `url`, whose certificate must lead to a root in `ca_file`. This machine is reached by http as well.
pub fn client(url: &Url, ca_file: &Path, timeout: Duration) -> anyhow::Result<reqwest::Client> {
    let roots = match url.scheme() {
        "https" => roots(ca_file)?,
        "http" if url.host_str().is_some_and(is_this_machine) => Vec::new(),
        _ => bail!("{url} is not reached by https"),
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let tls = ClientConfig::builder_with_provider(Arc::new(tls::provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(timeout);
    Ok(builder.redirect(reqwest::redirect::Policy::none()).build()?)
}

/// The certificates of a PEM file that can serve as roots.
pub fn roots(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).with_context(|| format!("reading {}", file.display()))?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().with_context(|| format!("reading {}", file.display()))?;
    Ok(certificates.into_iter().filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok()).collect())
}

/// Whether what is sent to this host stays on this machine.
pub fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        for (url, is_reached) in [
            ("http://127.0.0.1:9/x", true),
            ("http://[::1]:9/x", true),
            ("http://localhost:9", true),
            ("http://192.0.2.1/x", false),
            ("http://localhost.example/x", false),
            ("ftp://127.0.0.1/x", false),
        ] {
            let found = client(&url.parse().unwrap(), Path::new("/nowhere"), Duration::from_secs(1));
            assert_eq!(found.is_ok(), is_reached, "{url}");
        }
    }

    #[test]
    fn roots_that_cannot_be_read_are_an_error_and_no_trust_in_others() {
        let error = client(&"https://ca.example".parse().unwrap(), Path::new("/nowhere"), Duration::from_secs(1)).unwrap_err();
        assert!(format!("{error:#}").contains("/nowhere"), "{error:#}");
    }
}
