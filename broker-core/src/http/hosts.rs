//! Which hosts may be asked.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::error::{Error, Result};

/// A broker's own domains. Anything else is refused with zero bytes sent, for a key must not reach a stranger.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    pub(super) fn new(hosts: &[&str]) -> Self {
        Self(hosts.iter().map(|host| host.to_ascii_lowercase()).collect())
    }

    pub(super) fn add(&mut self, host: &str) {
        self.0.push(host.to_ascii_lowercase());
    }

    /// A host is good when it is one of ours, lies under one of ours, or is this machine; a connection without TLS
    /// only when it is this machine.
    pub(super) fn check(&self, url: &Url) -> Result<()> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::config("a base URL must not carry a user name or a password")
                .with_help("give credentials through the configuration"));
        }
        let Some(host) = url.host_str() else {
            return Err(Error::config("a base URL needs a host"));
        };
        let encrypted = match url.scheme() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            other => return Err(Error::config(format!("the scheme {other} is not supported"))),
        };
        if is_loopback(url) || (encrypted && self.covers(host)) {
            return Ok(());
        }
        if !encrypted {
            return Err(Error::config(format!("{host} must be asked over TLS"))
                .with_help("use https (wss for streams); only loopback may go without"));
        }
        Err(Error::config(format!("{host} is not a host of this broker"))
            .with_help("check the base URL, or allow the host explicitly"))
    }

    fn covers(&self, host: &str) -> bool {
        self.0.iter().any(|ours| {
            host.strip_suffix(ours.as_str())
                .is_some_and(|front| front.is_empty() || front.ends_with('.'))
        })
    }
}

/// Whether the URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => Ipv6Addr::is_loopback(&address),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Delivery, ErrorKind};

    #[test]
    fn only_the_brokers_hosts_over_tls_or_this_machine() {
        let hosts = Hosts::new(&["Alpaca.markets"]);
        let table = [
            ("https://alpaca.markets", true),
            ("https://paper-api.alpaca.markets/v2", true),
            ("wss://stream.data.alpaca.markets", true),
            ("http://127.0.0.1:8080", true),
            ("ws://[::1]:1", true),
            ("http://localhost:1", true),
            ("https://127.0.0.1", true),
            ("http://alpaca.markets", false),
            ("ws://alpaca.markets", false),
            ("https://evilalpaca.markets", false),
            ("https://alpaca.markets.evil.com", false),
            ("https://localhost.evil.com", false),
            ("https://10.0.0.1", false),
            ("http://127.0.0.1.evil.com", false),
            ("https://me:pass@alpaca.markets", false),
            ("ftp://alpaca.markets", false),
        ];
        for (url, good) in table {
            let checked = hosts.check(&Url::parse(url).unwrap());
            assert_eq!(checked.is_ok(), good, "{url}");
            if let Err(error) = checked {
                assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent));
            }
        }
    }

    #[test]
    fn no_hosts_means_this_machine_only() {
        let none = Hosts::default();
        assert!(none.check(&Url::parse("https://api.example.com").unwrap()).is_err());
        assert!(none.check(&Url::parse("http://127.0.0.1:1").unwrap()).is_ok());
    }
}
