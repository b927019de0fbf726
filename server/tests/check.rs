//! `encke check` as it is installed: it says what `encke serve` would, and every configuration that a document shows
//! can be used.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn encke(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_encke"));
    command.args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENCKE_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command
}

fn ended(command: &mut Command) -> Output {
    command.output().expect("it runs")
}

/// The sentence with which it refuses.
fn refused(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "it did not refuse: {said}");
    assert!(said.starts_with("encke: ") && !said.contains("panicked"), "{said}");
    said
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{}-{name}", std::process::id()));
    std::fs::write(&path, text).expect("a temporary file");
    path
}

#[test]
fn check_says_what_serve_would() {
    let check = |text: &str| ended(encke(&["check", "--config"]).arg(file("check.toml", text)));
    let good = check(
        "[rights]\nopen = true\n[[channel]]\npatterns = [\"/a/*\", \"/b\"]\non_overflow = \"drop-oldest\"\n[channel.history]\n",
    );
    assert!(good.status.success(), "{good:?}");
    assert!(String::from_utf8_lossy(&good.stdout).contains("can be used: encke serve --config"));
    for (text, words) in [
        ("", &["does not say who may publish and subscribe"][..]),
        (
            "[rights]\nopen = true\n[sessions]\ngraze = \"1s\"\nheartbeat = 25\n",
            &[
                "line 4: there is no key graze in [sessions]; did you mean grace?",
                "line 5: sessions.heartbeat is 25",
            ],
        ),
        ("not TOML", &["line 1", "not TOML"]),
        ("cores = 10000\n[rights]\nopen = true", &["cores is 10000, and may be 3844 at most"]),
        ("[rights]\nopen = true\n[doors]\nbase = \"live\"", &["the base path \"live\""]),
        (
            "[[channel]]\npatterns = [\"/a\"]\n[[channel]]\npattern = [\"/b\"]\n",
            &["line 4: there is no key pattern in [[channel]]; did you mean patterns?"],
        ),
        ("[[channel]]\ndeliver = \"newest\"\n", &["line 2", "newest", "`every` or `latest`"]),
        (
            "[[channel]]\npatterns = [\"/a/**\"]\n[[channel]]\npatterns = [\"/b\", \"/a/b\"]\n",
            &["[[channel]] number 2: /a/b has no effect", "/a/** in number 1"],
        ),
        (
            "[[channel]]\npatterns = [\"/a\"]\n[channel.history]\nage = \"0s\"\n",
            &["[[channel]] number 1: history.age is 0"],
        ),
        (
            "[rights]\nopen = true\n[[rights.rule]]\nwho = [\"anyone\"]\nmay_not = [\"publish\"]\nchannels = [\"/a\"]\n",
            &["open = true", "nobody would look at the rules"],
        ),
        (
            "[rights]\nopen = true\n[doors]\nendpoints = [\"bayeux\"]",
            &["doors.endpoints: \"bayeux\" must begin"],
        ),
        ("[rights]\nopen = true\n[doors]\nendpoints = [\"\"]", &["doors.endpoints: \"\" must begin"]),
        (
            "[[rights.rule]]\nwho = [\"key:shop\"]\nmay_not = [\"publish\"]\nchannels = [\"/a\"]\n",
            &["[[rights.rule]] number 1: key:shop is nobody"],
        ),
        (
            "[[rights.rule]]\nwho = [\"user\"]\nmay = [\"publish\"]\nchannels = [\"/users/{}/x\"]\n",
            &["\"/users/{}/x\" is not a pattern: a { without its }, or no name in it"],
        ),
        (
            "[rights]\nopen = true\n[[tokens.key]]\nalgorithm = \"HS256\"\nsecret = \"-----BEGIN PUBLIC KEY-----MCowBQYDK2VwAyEA\"\n",
            &["[[tokens.key]] number 1: HS256 needs a secret, and what is there is a key in PEM"],
        ),
    ] {
        let said = refused(&check(text));
        for word in words {
            assert!(said.contains(word), "{text:?}: {word} is not in {said}");
        }
    }
    let wrong = file("serve.toml", "[rights]\nopne = true\n");
    let said = refused(&ended(encke(&["serve", "--config"]).arg(&wrong)));
    assert!(said.contains("line 2: there is no key opne in [rights]; did you mean open?"), "{said}");
    let said = refused(&ended(encke(&["check"]).current_dir(env!("CARGO_TARGET_TMPDIR"))));
    assert!(said.contains("encke.toml cannot be read"), "{said}");
}

/// What a file says of secrets is not repeated to whoever reads the terminal or the log.
#[test]
fn a_secret_is_not_shown_in_what_is_wrong() {
    for text in [
        "[rights]\nopen = true\n[[tokens.key]]\nalgorithm = \"HS256\"\nsecret = hidden4711hidden4711hidden4711hidden4711\n",
        "[rights]\nopen = true\n[[tokens.key]]\nsecret = \"hidden4711hidden4711hidden4711\nalgorithm = \"HS256\"\n",
        "[rights]\nopen = true\n[[tokens.key]]\nsecret = \"\"\"\nhidden4711",
        "[rights]\nopen = true\n[[tokens.key]]\nalgorithm = \"HS256\"\nsecret = 4711\n",
        "[rights]\nopen = true\n[[tokens.key]]\nalgorithm = \"HS256\"\nsecret = \"hidden4711\"\n",
        "[rights]\nopen = true\n[[key]]\nname = \"encke_4711\"\nsha256 = \"encke_4711\"\n",
        "[rights]\nopen = true\n[tokens]\nsecret = \"hidden4711\"\n",
    ] {
        let said = refused(&ended(encke(&["check", "--config"]).arg(file("secret.toml", text))));
        assert!(!said.contains("4711"), "{text:?}: {said}");
    }
}

/// `encke token check` refuses in the server's words, whatever it is given.
#[test]
fn a_token_is_checked_as_the_server_would() {
    let key =
        "[[tokens.key]]\nalgorithm = \"HS256\"\nsecret = \"a secret of at least 32 bytes, for tests\"\n";
    let rules = "[[rights.rule]]\nwho = [\"anyone\"]\nmay = [\"subscribe\"]\nchannels = [\"/a\"]\n";
    for (config, token, reason) in [
        (format!("{rules}{key}"), "encke_4711", "key_unknown"),
        (rules.to_owned(), "nonsense", "tokens_not_taken"),
        (format!("{rules}{key}"), "nonsense", "token_malformed"),
    ] {
        let file = file("token.toml", &config);
        let said = refused(&ended(encke(&["token", "check", token, "--config"]).arg(file)));
        assert!(said.starts_with(&format!("encke: {reason}: ")), "{token}: {said}");
    }
}

#[test]
fn every_configuration_that_a_document_shows_can_be_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut count = 0;
    for document in ["README.md", "docs/migrating.md"] {
        let text = std::fs::read_to_string(root.join(document)).expect(document);
        for fence in text.split("```toml\n").skip(1) {
            let fence = fence.split("```").next().expect("a beginning");
            let output = ended(encke(&["check", "--config"]).arg(file("shown.toml", fence)));
            assert!(output.status.success(), "{document}: {}", String::from_utf8_lossy(&output.stderr));
            count += 1;
        }
    }
    assert!(count >= 2, "only {count} were found");
}
