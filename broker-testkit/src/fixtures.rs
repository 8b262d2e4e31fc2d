//! Where recorded answers are: a crate's own fixtures, and an optional corpus beside the workspace.

use std::env;
use std::path::{Path, PathBuf};

use broker_core::{Error, Result};

/// A file below `tests/fixtures` of the crate that is being tested.
pub fn fixture(name: &str) -> Result<String> {
    let path = crate_root().join("tests").join("fixtures").join(name);
    std::fs::read_to_string(&path)
        .map_err(|error| Error::config(format!("cannot read the fixture {}", path.display())).with_source(error))
}

/// The folder of a broker in the corpus of recorded answers: below `$BROKER_CORPUS`, or below `../shared/corpus` of
/// the workspace. Without one the test says aloud that it skips.
pub fn corpus(broker: &str) -> Option<PathBuf> {
    let found = find(env::var_os("BROKER_CORPUS").map(PathBuf::from), &crate_root(), broker);
    if found.is_none() {
        eprintln!("SKIPPED: no corpus of {broker}; set BROKER_CORPUS to the folder that holds it");
    }
    found
}

fn find(named: Option<PathBuf>, start: &Path, broker: &str) -> Option<PathBuf> {
    let beside = start.ancestors().map(|folder| folder.join("shared").join("corpus"));
    let folder = |root: PathBuf| Some(root.join(broker)).filter(|folder| folder.is_dir());
    match named {
        Some(root) => folder(root),
        None => beside.into_iter().find_map(folder),
    }
}

/// Cargo names it to each test that it runs.
fn crate_root() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_fixture_is_named() {
        let error = fixture("no-such-file.json").unwrap_err();
        assert!(error.message().unwrap().contains("no-such-file.json"), "{error}");
    }

    #[test]
    fn a_corpus_is_found_upward_or_where_it_is_named() {
        let root = env::temp_dir().join(format!("broker-testkit-{}", std::process::id()));
        let (corpus, deep) = (root.join("shared").join("corpus"), root.join("workspace").join("crate"));
        std::fs::create_dir_all(corpus.join("somebroker")).unwrap();
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(find(None, &deep, "somebroker"), Some(corpus.join("somebroker")));
        assert_eq!(
            find(Some(corpus.clone()), Path::new("/"), "somebroker"),
            Some(corpus.join("somebroker"))
        );
        assert_eq!(find(None, &deep, "no-such-broker"), None);
        assert_eq!(
            find(Some(root.clone()), &deep, "somebroker"),
            None,
            "a named corpus is the only one"
        );
        std::fs::remove_dir_all(&root).unwrap();
    }
}
