use domain::{ExecConfig, ExecOutput, OnUnknown};

use super::*;

fn one(handler: &str) -> String {
    format!("[kinds.report]\nhandler = {handler}\n")
}

fn read(text: &str) -> domain::KindConfig {
    let (config, warnings) = load("p.toml", text).unwrap();
    assert_eq!(warnings, []);
    config.kinds[&"report".parse().unwrap()].clone()
}

#[track_caller]
fn check_one(handler: &str, expected: &[&str]) {
    let found = problems(&one(handler));
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found}\n{expected}");
    }
}

/// Each way to have work done arrives as it is written, with the defaults that the example tells.
#[test]
fn handlers_arrive() {
    let kind = read(&one(r#"{ exec = { command = ["./report.py", "--fast"] } }"#));
    let command = vec!["./report.py".to_owned(), "--fast".to_owned()];
    assert_eq!(kind.handler, Handler::Exec(ExecConfig::of(command.clone())));
    assert_eq!(kind.on_unknown, OnUnknown::Ask);
    let kind = read(&one(
        r#"{ exec = { command = ["./report.py", "--fast"], dir = "/srv", env = ["A", "B"], output = "text", output_max = 300 } }
           on_unknown = "rerun""#,
    ));
    let exec = ExecConfig {
        command,
        dir: Some("/srv".to_owned()),
        env: vec!["A".to_owned(), "B".to_owned()],
        output: ExecOutput::Text,
        output_max: 300,
    };
    assert_eq!((kind.handler, kind.on_unknown), (Handler::Exec(exec), OnUnknown::Rerun));
    let shout = || "shout".parse().unwrap();
    let kind = read(&one(r#"{ service = "shout", format = "json" }"#));
    assert_eq!(kind.handler, Handler::JsonService { name: shout() });
    assert_eq!(kind.on_unknown, OnUnknown::Resolve);
    let kind = read(&one(r#"{ service = "shout", format = "protobuf" }"#));
    assert_eq!(kind.handler, Handler::Service { name: shout() });
}

/// What is wrong with a handler is told with its line and what to write.
#[test]
fn handlers_that_are_wrong() {
    check_one("{ exec = { command = [] } }", &["has no `command`; add command = ["]);
    check_one("{ exec = {} }", &["has no `command`"]);
    check_one("{ exec = { command = \"./x\" } }", &["has no `command`", "is text"]);
    check_one("{ exec = { command = [\"x\"], env = [\"A=5\"] } }", &["a list of names"]);
    check_one("{ exec = { command = [\"x\"], output = \"xml\" } }", &["write \"json\" for an"]);
    check_one("{ exec = { command = [\"x\"], output_max = 10 } }", &["no outcome fits"]);
    check_one("{ exec = { command = [\"x\"], output_max = 9999999 } }", &["at most 1048576"]);
    check_one("{ exec = { command = [\"x\"], shell = true } }", &["unknown key `shell`"]);
    check_one("{ exec = { command = [\"x\"] }, service = \"x\" }", &["unknown key `service`"]);
    check_one("{ service = \"x\", format = \"xml\" }", &["write \"json\" or \"protobuf\""]);
    let exec = "{ exec = { command = [\"x\"] } }\non_unknown";
    check_one(&format!("{exec} = \"resolve\""), &["is for services"]);
    check_one(&format!("{exec} = \"maybe\""), &["is none of \"ask\""]);
}

/// W4: a command's guard gets time to tell a frozen dispatcher from a busy host, a third of the
/// lease; what is no command may have a shorter one.
#[test]
fn a_commands_lease() {
    let exec = "{ exec = { command = [\"x\"] } }\nlease";
    check_one(
        &format!("{exec} = \"14s\""),
        &[
            "p.toml:3: `lease = \"14s\"` in [kinds.report] is too short; at least \"15s\" for a command",
        ],
    );
    assert_eq!(read(&one(&format!("{exec} = \"15s\""))).lease, Duration::from_secs(15));
    let service = "{ service = \"x\" }\nlease = \"1s\"";
    assert_eq!(read(&one(service)).lease, Duration::from_secs(1));
}

/// A secret that somebody writes where a name belongs is not repeated to the terminal.
#[test]
fn a_value_in_the_place_of_a_name_is_not_shown() {
    let found = problems(&one("{ exec = { command = [\"x\"], env = [\"KEY=s3cret\"] } }"));
    assert!(found[0].contains("KEY") && !found[0].contains("s3cret"), "{found:?}");
}

/// The example of one's own work is sound, and what it shows as a default is the real one.
#[test]
fn the_example_of_ones_own_work() {
    let text = include_str!("../../../../../deploy/examples/portcullis.toml");
    let (config, warnings) = load("portcullis.toml", text).unwrap();
    assert_eq!(warnings, []);
    // Settings of the kind itself; those of its command stand deeper, inside of it.
    let with_defaults: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with(char::is_lowercase) && rest.contains(" = ") => rest,
            _ => line,
        })
        .filter(|line| !line.starts_with("format = "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(with_defaults, text);
    assert_eq!(load("portcullis.toml", &with_defaults).unwrap().0, config);
    let exec = ExecConfig::of(vec!["./report.py".to_owned()]);
    assert_eq!(config.kinds[&"report".parse().unwrap()].handler, Handler::Exec(exec.clone()));
    for shown in ["output = \"json\"", &format!("output_max = {}", exec.output_max)] {
        assert!(text.contains(shown), "{shown}");
    }
}
