use super::*;

/// Names are one line, without what is invisible or turns the text, and not too long.
#[test]
fn names_are_cleaned() {
    let check = |raw: &str, clean: Option<&str>| assert_eq!(name(raw).as_deref(), clean, "{raw:?}");
    check("Ionic Anchor", Some("Ionic Anchor"));
    check("  Ionic\r\n\tAnchor\u{0} ", Some("Ionic Anchor"));
    check("a\u{7}b", Some("a b"));
    check("Ionic\u{202e}rohcnA", Some("IonicrohcnA"));
    check("\u{200b}\u{feff}", None);
    check("", None);
    check(" \n ", None);
    check("Zoë 🦊", Some("Zoë 🦊"));
    check(&"ä".repeat(200), Some(&"ä".repeat(NAME_MAX)));
    check(&format!("{} x", "a".repeat(NAME_MAX - 1)), Some(&"a".repeat(NAME_MAX - 1)));
}

/// The name stands where the text says; a name that looks like the place is only a name.
#[test]
fn messages_carry_the_name() {
    let check = |text, name, sent: &str| assert_eq!(message(text, name).unwrap(), sent);
    check("Hello {name}, welcome!", Some("Ionic Anchor"), "Hello Ionic Anchor, welcome!");
    check("Hello {name}, welcome!", None, "Hello agent, welcome!");
    check("{name} {name}", Some("{name}"), "{name} {name}");
    check("Welcome!", Some("Ionic Anchor"), "Welcome!");
}

/// The text is never longer than the inbox takes, counted as it counts: an emoji is two.
#[test]
fn messages_fit_the_inbox() {
    let text = format!("{}{{name}}", "x".repeat(490));
    let sent = message(&text, Some("🦊🦊🦊🦊🦊🦊")).unwrap();
    assert_eq!(units(&sent), MESSAGE_MAX);
    assert!(sent.ends_with("🦊🦊🦊🦊🦊"), "whole characters only");
    let odd = message(&format!("x{text}"), Some("🦊🦊🦊🦊🦊🦊")).unwrap();
    assert_eq!(units(&odd), MESSAGE_MAX - 1);
}

/// A text that cannot be sent to anyone is refused, whoever it is for.
#[test]
fn hopeless_texts_are_refused() {
    let long = "🦊".repeat(251);
    assert_eq!(message(&long, Some("a")), Err(LetterError::TooLong { units: 502 }));
    assert_eq!(message(" \n", Some("a")), Err(LetterError::Blank));
    assert_eq!(message("", None), Err(LetterError::Blank));
}
