//! The command line as an operator meets it: what each mistake says, and with which exit code.
use crate::hub::{Hub, http};
use serde_json::Value;
use std::{
    path::Path,
    process::{Command, Output},
};

fn michub(dir: &Path, args: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_michub"));
    command.args(args).current_dir(dir).env("MICHUB_ADMIN__LISTEN", "127.0.0.1:0");
    command.envs(settings.iter().map(|(name, value)| (format!("MICHUB_{name}"), *value))).output().unwrap()
}

/// Runs a command that must fail, and returns what it says: one line, that of an operator and not of a programmer.
fn refused(dir: &Path, args: &[&str], settings: &[(&str, &str)]) -> String {
    let output = michub(dir, args, settings);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    assert!(output.stdout.is_empty(), "{args:?}: something on stdout");
    assert_eq!(said.lines().count(), 1, "{said}");
    said.strip_prefix("michub: ").unwrap_or_else(|| panic!("{said}")).trim().to_owned()
}

fn printed(dir: &Path, args: &[&str], settings: &[(&str, &str)]) -> String {
    let output = michub(dir, args, settings);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_start_that_cannot_be_says_why() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hub = Hub::start(dir.path());
    let here = ["--listen", "127.0.0.1:0", "--data"];
    let data = dir.path().to_str().unwrap();
    let with = |dir: &'static str| [&here[..], &[dir]].concat();

    let said = refused(other.path(), &["--listen", &hub.address, "--data", "fresh"], &[]);
    assert!(said.starts_with(&format!("server.listen {}: ", hub.address)) && said.contains("in use"), "{said}");
    let said = refused(other.path(), &with("fresh"), &[("ADMIN__LISTEN", &hub.admin)]);
    assert!(said.starts_with(&format!("admin.listen {}: ", hub.admin)), "{said}");
    let said = refused(other.path(), &[&here[..], &[data]].concat(), &[]);
    assert_eq!(said, "data.dir: the data folder is in use by another process");
    std::fs::write(other.path().join("file"), "").unwrap();
    let said = refused(other.path(), &with("file"), &[]);
    assert!(said.starts_with("data.dir: the folder ") && said.contains("file"), "{said}");
    let said = refused(other.path(), &with("/proc/michub"), &[]);
    assert!(said.contains("/proc/michub"), "{said}");
    assert!(refused(other.path(), &["health"], &[("ADMIN__LISTEN", "127.0.0.1:1")]).contains("127.0.0.1:1"));
    // Whoever runs is not disturbed by any of it.
    assert_eq!(http(&hub.admin, "GET", "/readyz", "", "").await.0, 200);
    assert_eq!(printed(other.path(), &["health"], &[("ADMIN__LISTEN", &hub.admin)]), "ready\n");
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["--frobnicate"][..],
        &["dance"],
        &["--listen", "nowhere"],
        &["token"],
        &["token", "--user-id", "a b"],
        &["token", "--user-id", "a", "--role", "admin"],
        &["token", "--user-id", "a", "--ttl", "0"],
        &["spec", "swagger"],
        &["history", "export", "--from", "yesterday"],
    ] {
        let output = michub(dir.path(), args, &[]);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--help"), "{args:?}");
    }
    for args in [&["--help"][..], &["token", "--help"], &["history", "export", "--help"], &["--version"]] {
        assert!(printed(dir.path(), args, &[]).contains("michub"), "{args:?}");
    }
}

#[test]
fn what_is_printed_is_a_configuration_without_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "canary-secret-of-more-than-32-bytes";
    let settings =
        [("AUTH__MODE", "jwt"), ("AUTH__JWT__SECRET", secret), ("AUTH__API_KEYS", "[\"canary-key\"]"), ("ROOM__IDLE_MS", "777")];
    let text = printed(dir.path(), &["print-config"], &settings);
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("idle_ms = 777"), "{text}");
    std::fs::write(dir.path().join("mine.toml"), &text).unwrap();
    let again = printed(dir.path(), &["--config", "mine.toml", "print-config"], &settings);
    assert_eq!(text, again);
    assert_eq!(printed(dir.path(), &["--config", "mine.toml", "check-config"], &settings), "the configuration is good\n");
    std::fs::write(dir.path().join("bad.toml"), "[server]\nshards = \"many\"\n").unwrap();
    let said = refused(dir.path(), &["--config", "bad.toml", "check-config"], &[]);
    assert_eq!(said, "bad.toml:2: server.shards: string \"many\" is not a whole number from 0 up");
}

#[test]
fn variables_that_name_no_key_are_passed_over_with_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("PORT", "tcp://10.0.0.1:80"), ("SERVICE_HOST", "10.0.0.1"), ("ROOM__IDLE_MS", "777")];
    let output = michub(dir.path(), &["print-config"], &settings);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("idle_ms = 777"), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = |variable: &str| said.matches(&format!("michub: ignored: MICHUB_{variable}: there is no such key")).count();
    assert_eq!([told("PORT"), told("SERVICE_HOST"), said.lines().count()], [1, 1, 2], "{said}");
    for (variable, meant) in
        [("SERVER__LISTN", "did you mean MICHUB_SERVER__LISTEN?"), ("SERVICE__A", "SERVICE"), ("MEDIA__SRS1__KNID", "KIND")]
    {
        let output = michub(dir.path(), &["print-config"], &[("PORT", "1"), (variable, "x")]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(meant), "{variable}: {output:?}");
    }
}

#[test]
fn the_documents_are_those_of_the_project() {
    let dir = tempfile::tempdir().unwrap();
    for (which, file) in [("openapi", "openapi.json"), ("asyncapi", "asyncapi.json"), ("schema", "schema.json")] {
        let printed: Value = serde_json::from_str(&printed(dir.path(), &["spec", which], &[])).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
        let committed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(printed == committed, "{which}");
    }
}
