//! Signatures of the three kinds of keys.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use broker_core::{Error, Result};
use ed25519_dalek::SigningKey;
use ed25519_dalek::ed25519::signature::Signer as _;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The object identifier of Ed25519 (1.3.101.112) as it stands in a PKCS#8 key.
const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];
/// The same of RSA (1.2.840.113549.1.1.1).
const RSA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// How a bare Ed25519 key in PKCS#8 begins, in base64. A secret of an HMAC key is base64 to look at, too.
const BARE_ED25519: &str = "MC4CAQAwBQYDK2VwBCIEI";
const BARE_ED25519_LENGTH: usize = 64;

/// What signs for an API key.
pub(crate) enum Signer {
    /// Hex of an HMAC-SHA256 under the secret.
    Hmac(SecretString),
    /// Base64 of an Ed25519 signature.
    Ed25519(Box<SigningKey>),
    /// Base64 of an RSASSA-PKCS1-v1_5 signature with SHA-256.
    #[cfg(feature = "rsa")]
    Rsa(Box<aws_lc_rs::signature::RsaKeyPair>),
}

impl Signer {
    /// The kind of key shows in its text.
    pub(crate) fn new(secret: &SecretString) -> Result<Self> {
        let text = secret.expose_secret().trim();
        if text.is_empty() {
            return Err(Error::config("the secret of the API key is empty"));
        }
        let bare = text.starts_with(BARE_ED25519) && text.len() == BARE_ED25519_LENGTH;
        if !text.starts_with("-----BEGIN") && !bare {
            return Ok(Self::Hmac(secret.clone()));
        }
        // No source: it could quote the key.
        let unreadable = || Error::config("the private key cannot be read: it must be PKCS#8, as PEM text");
        if text.contains("ENCRYPTED") {
            return Err(Error::config("the private key is encrypted: give it decrypted"));
        }
        let body: String = text
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .map(str::trim)
            .collect();
        let der = BASE64_STANDARD.decode(body).map_err(|_| unreadable())?;
        let holds = |id: &[u8]| der.windows(id.len()).take(32).any(|bytes| bytes == id);
        if holds(&ED25519) {
            let key = SigningKey::from_pkcs8_der(&der).map_err(|_| unreadable())?;
            return Ok(Self::Ed25519(Box::new(key)));
        }
        match holds(&RSA) {
            true => Self::rsa(&der),
            false => Err(unreadable()),
        }
    }

    #[cfg(feature = "rsa")]
    fn rsa(der: &[u8]) -> Result<Self> {
        let key = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(der);
        let key = key.map_err(|_| Error::config("the RSA key cannot be used: Binance takes 2048 to 4096 bits"))?;
        Ok(Self::Rsa(Box::new(key)))
    }

    #[cfg(not(feature = "rsa"))]
    fn rsa(_der: &[u8]) -> Result<Self> {
        Err(Error::config("this build signs with no RSA keys")
            .with_help("turn on the feature rsa of broker-binance, or use an Ed25519 key"))
    }

    /// Signs a text, to the letter.
    pub(crate) fn sign(&self, payload: &str) -> Result<String> {
        match self {
            Self::Hmac(secret) => {
                let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().trim().as_bytes());
                let mut mac = mac.map_err(|_| Error::config("the secret of the API key cannot be used"))?;
                mac.update(payload.as_bytes());
                let bytes = mac.finalize().into_bytes();
                Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
            }
            Self::Ed25519(key) => Ok(BASE64_STANDARD.encode(key.sign(payload.as_bytes()).to_bytes())),
            #[cfg(feature = "rsa")]
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let signed = key.sign(
                    &aws_lc_rs::signature::RSA_PKCS1_SHA256,
                    &aws_lc_rs::rand::SystemRandom::new(),
                    payload.as_bytes(),
                    &mut signature,
                );
                signed.map_err(|_| Error::config("the RSA key cannot sign"))?;
                Ok(BASE64_STANDARD.encode(signature))
            }
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Hmac(_) => "an HMAC key",
            Self::Ed25519(_) => "an Ed25519 key",
            #[cfg(feature = "rsa")]
            Self::Rsa(_) => "an RSA key",
        }
    }
}

/// Shows no key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// As a value of a query: base64 has characters that mean something there.
pub(crate) fn encoded(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests;
