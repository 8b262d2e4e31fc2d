//! Other firms on the gateway: a pair of addresses, which belong together, and what they may be.

use std::collections::BTreeMap;

use broker_core::model::Environment;
use broker_core::{Broker, ErrorKind};
use broker_topstepx::{TopstepxBroker, TopstepxConfig};

fn url(text: &str) -> url::Url {
    text.parse().unwrap()
}

fn built(config: TopstepxConfig) -> Result<TopstepxBroker, ErrorKind> {
    TopstepxBroker::new(config).map_err(|error| error.kind())
}

fn config() -> TopstepxConfig {
    TopstepxConfig::new("a-login", "a-key")
}

#[test]
fn a_pair_of_addresses_is_another_firm() {
    for (api, hubs) in [
        ("https://api.topstepx.com", "https://rtc.topstepx.com/hubs"),
        (
            "https://api.thefuturesdesk.projectx.com",
            "https://rtc.thefuturesdesk.projectx.com/hubs",
        ),
        (
            "https://gateway-api-demo.s2f.projectx.com",
            "https://gateway-rtc-demo.s2f.projectx.com/hubs",
        ),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/hubs"),
    ] {
        let broker = built(config().with_urls(url(api), url(hubs))).unwrap();
        // Paper, unless live is spelled out.
        assert_eq!(broker.environment(), Environment::Paper);
        assert_eq!(
            built(config().with_urls(url(api), url(hubs)).live())
                .unwrap()
                .environment(),
            Environment::Live
        );
    }
    for (api, hubs) in [
        ("https://api.evil.com", "https://rtc.topstepx.com/hubs"),
        ("https://api.topstepx.com", "https://rtc.evil.com/hubs"),
        ("https://api.topstepx.com.evil.com", "https://rtc.topstepx.com/hubs"),
        ("https://nottopstepx.com", "https://rtc.topstepx.com/hubs"),
        ("http://api.topstepx.com", "https://rtc.topstepx.com/hubs"),
        ("https://api.topstepx.com", "http://rtc.topstepx.com/hubs"),
    ] {
        let refused = built(config().with_urls(url(api), url(hubs))).unwrap_err();
        assert_eq!(refused, ErrorKind::Config, "{api} {hubs}");
    }
    let elsewhere = config().with_urls(url("https://api.own.example"), url("https://rtc.own.example/hubs"));
    assert!(built(elsewhere.clone()).is_err());
    built(elsewhere.allow_host("api.own.example").allow_host("rtc.own.example")).unwrap();
}

#[test]
fn the_environment_names_all_that_is_missing_and_both_addresses_or_none() {
    let from = |pairs: &[(&str, &str)]| {
        let all: BTreeMap<String, String> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        TopstepxConfig::from_lookup(|name| all.get(name).cloned())
    };
    let error = from(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("TOPSTEPX_USER_NAME, TOPSTEPX_API_KEY"), "{text}");
    let error = from(&[("TOPSTEPX_USER_NAME", "me"), ("TOPSTEPX_API_KEY", "  ")]).unwrap_err();
    assert!(!error.to_string().contains("TOPSTEPX_USER_NAME,"), "{error}");

    let keys = [("TOPSTEPX_USER_NAME", "me"), ("TOPSTEPX_API_KEY", "k")];
    built(from(&keys).unwrap()).unwrap();
    let api = ("TOPSTEPX_API_URL", "https://api.firm.projectx.com");
    let hubs = ("TOPSTEPX_HUBS_URL", "https://rtc.firm.projectx.com/hubs");
    built(from(&[keys[0], keys[1], api, hubs]).unwrap()).unwrap();
    for alone in [api, hubs] {
        let half = from(&[keys[0], keys[1], alone]).unwrap();
        assert_eq!(built(half).unwrap_err(), ErrorKind::Config, "{alone:?}");
    }
    let error = from(&[keys[0], keys[1], ("TOPSTEPX_API_URL", "not a url"), hubs]).unwrap_err();
    assert!(error.to_string().contains("TOPSTEPX_API_URL"), "{error}");
}

/// The terms about where orders may be sent from stand in the README, which is the crate's first page.
#[test]
fn the_readme_tells_the_terms_of_use() {
    let readme = include_str!("../../README.md");
    assert!(readme.contains("forbid sending orders from a VPS, a VPN or a remote server"));
    assert!(readme.contains("Reading history, fills and profit from a server is allowed"));
}
