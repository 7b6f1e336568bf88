use serde_json::json;

use super::*;

fn key(template: &str, item: Value) -> Result<String, ItemError> {
    source_key(&template.parse().unwrap(), &item).map(|key| key.to_string())
}

/// The same item has the same key however its fields are ordered, and two items that differ in
/// them never share one.
#[test]
fn keys_are_of_their_fields() {
    let item = json!({"id": 17, "user": {"login": "ann"}, "rev": "a/b%"});
    assert_eq!(key("ticket/{id}", item.clone()).unwrap(), "ticket/17");
    assert_eq!(key("t/{/user/login}/{id}", item.clone()).unwrap(), "t/ann/17");
    assert_eq!(key("t/{rev}", item.clone()).unwrap(), "t/a/b%", "one field needs no escape");
    assert_eq!(key("t/{id}/{rev}", item).unwrap(), "t/17/a%2Fb%25");
    let split = |a: &str, b: &str| key("{a}/{b}", json!({"a": a, "b": b})).unwrap();
    assert_ne!(split("x/y", "z"), split("x", "y/z"));
    assert_ne!(split("x%2Fy", "z"), split("x/y", "z"));
}

/// What cannot be part of a key is told by the field, not taken for something else.
#[test]
fn what_makes_no_key() {
    let check = |item: Value, says: &str| {
        let error = key("ticket/{id}", item).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    check(json!({}), "no field `id`");
    check(json!({"id": null}), "no field `id`");
    check(json!("text"), "no field `id`");
    check(json!({"id": " "}), "empty text");
    check(json!({"id": 1.5}), "a number");
    check(json!({"id": 1e30}), "a number");
    check(json!({"id": true}), "true or false");
    check(json!({"id": ["a"]}), "a list");
    check(json!({"id": {"a": 1}}), "an object");
    check(json!({"id": "a\nb"}), "makes no source key");
    check(json!({"id": "x".repeat(600)}), "makes no source key");
}

/// A field keeps its type where it stands alone, is text within a text, and can break out of
/// neither.
#[test]
fn payloads_are_shaped() {
    let text = r#"{"n": "{id}", "say": "{id}: {title}", "deep": [{"who": "{/by/name}"}], "k": 1}"#;
    let payload = Payload::read(Some(text)).unwrap();
    let item = json!({"id": 7, "title": "a\", \"n\": \"{id}", "by": {"name": null}});
    let made: Value = serde_json::from_str(&payload.of(&item).unwrap()).unwrap();
    let expected = json!({
        "n": 7, "say": "7: a\", \"n\": \"{id}", "deep": [{"who": null}], "k": 1
    });
    assert_eq!(made, expected);
    assert_eq!(Payload::Whole.of(&item).unwrap(), item.to_string());
}

/// A payload without its field, or of any size, is refused, and so is a template that is none.
#[test]
fn what_makes_no_payload() {
    let payload = Payload::read(Some(r#"{"n": "{id}"}"#)).unwrap();
    let missing = payload.of(&json!({"di": 1})).unwrap_err();
    assert_eq!(missing, ItemError::NoPayload { field: "id".to_owned() });
    let big = payload.of(&json!({"id": "x".repeat(PAYLOAD_MAX)})).unwrap_err();
    assert!(matches!(big, ItemError::TooBig { .. }));
    assert!(matches!(Payload::read(Some("{id}")), Err(ShapeError::Json(_))));
    assert!(matches!(Payload::read(Some(r#""{id""#)), Err(ShapeError::Template { .. })));
}

/// Whatever stands where the list or the next page should is told by what it is.
#[test]
fn pages() {
    let answer = json!({"data": {"items": [1, 2]}, "next": "/list?page=2", "n": 7, "none": null});
    assert_eq!(items(&answer, "/data/items").unwrap().len(), 2);
    let told = |pointer| items(&answer, pointer).unwrap_err().to_string();
    assert!(told("/items").contains("nothing at `/items`"), "{}", told("/items"));
    assert!(told("/data").contains("an object at `/data`"), "{}", told("/data"));
    assert_eq!(items(&json!([{}]), "").unwrap().len(), 1);
    assert_eq!(next(&answer, "/next"), Ok(Some("/list?page=2")));
    assert_eq!((next(&answer, "/none"), next(&answer, "/gone")), (Ok(None), Ok(None)));
    assert!(matches!(next(&answer, "/n"), Err(PageError::NotNext { found: "a number", .. })));
}
