//! TLS: one configuration for requests and sockets, with an explicit provider and the system's roots.
//!
//! Nothing is installed for the process, and nothing panics whichever providers are compiled in: with both the first
//! is taken, with none only loopback without TLS can be reached.

use crate::error::{Error, Result};

#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod provided {
    use std::sync::Arc;

    use rustls::crypto::CryptoProvider;
    use rustls::{ClientConfig, RootCertStore};
    use rustls_platform_verifier::BuilderVerifierExt;

    use super::{Error, Result};

    pub(in crate::net) struct Tls {
        config: ClientConfig,
        roots: Result<()>,
    }

    impl Tls {
        pub(in crate::net) fn new() -> Result<Self> {
            let provider = Arc::new(provider());
            let builder = || {
                ClientConfig::builder_with_provider(Arc::clone(&provider))
                    .with_safe_default_protocol_versions()
                    .map_err(|error| Error::config(format!("TLS cannot be set up: {error}")))
            };
            let (config, roots) = match builder()?.with_platform_verifier() {
                Ok(verified) => (verified.with_no_client_auth(), Ok(())),
                // A container without certificates still reaches loopback; with no roots nothing else is trusted.
                Err(error) => {
                    let none = builder()?.with_root_certificates(RootCertStore::empty());
                    let why = Error::config(format!(
                        "no TLS: the system's root certificates cannot be read: {error}"
                    ))
                    .with_help("install the system's CA certificates");
                    (none.with_no_client_auth(), Err(why))
                }
            };
            Ok(Self { config, roots })
        }

        /// Whether connections with TLS can be made.
        pub(in crate::net) fn ready(&self) -> Result<()> {
            self.roots.clone()
        }

        pub(in crate::net) fn apply(&self, builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
            let mut config = self.config.clone();
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            builder.tls_backend_preconfigured(config)
        }

        /// For sockets, which need HTTP/1.1 and so offer no other protocol.
        #[cfg(feature = "live")]
        pub(in crate::net) fn connector(&self) -> Result<tokio_tungstenite::Connector> {
            self.ready()?;
            Ok(tokio_tungstenite::Connector::Rustls(Arc::new(self.config.clone())))
        }
    }

    #[cfg(feature = "aws-lc-rs")]
    fn provider() -> CryptoProvider {
        rustls::crypto::aws_lc_rs::default_provider()
    }

    #[cfg(not(feature = "aws-lc-rs"))]
    fn provider() -> CryptoProvider {
        rustls::crypto::ring::default_provider()
    }
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
mod provided {
    use super::{Error, Result};

    pub(in crate::net) struct Tls;

    impl Tls {
        #[allow(clippy::unnecessary_wraps, reason = "the twin with a provider can fail")]
        pub(in crate::net) fn new() -> Result<Self> {
            Ok(Self)
        }

        pub(in crate::net) fn ready(&self) -> Result<()> {
            Err(Error::config("this build has no TLS provider")
                .with_help("turn on the feature aws-lc-rs or ring; without TLS only loopback http can be asked"))
        }

        pub(in crate::net) fn apply(&self, builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
            builder
        }

        #[cfg(feature = "live")]
        pub(in crate::net) fn connector(&self) -> Result<tokio_tungstenite::Connector> {
            self.ready()?;
            Ok(tokio_tungstenite::Connector::Plain)
        }
    }
}

pub(super) use provided::Tls;
