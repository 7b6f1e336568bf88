//! What a list over HTTP comes to: its items, and of each a task's source key and payload.
//!
//! The items are other people's. A key is made of texts and whole numbers alone: nothing else is
//! spelled the same way for ever. Where a key has several fields, a '/' in one of them is
//! escaped, so that no two items can ever have one key by accident.

use std::time::Duration;

use domain::{SourceKey, Template, TemplateError};
use serde_json::{Map, Value};

/// A task's payload in bytes, at most. The broker takes no more than 1 MB for the whole task.
pub const PAYLOAD_MAX: usize = 256 * 1024;

/// One page of a list in bytes, at most. A page of a hundred agents has about 100 kB.
pub const PAGE_MAX: usize = 4 * 1024 * 1024;

/// How long one page may take, from the request to its last byte.
pub const PAGE_WITHIN: Duration = Duration::from_secs(20);

/// Why an answer is no page of the list that is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    #[error("the answer has nothing at `{pointer}`; `items` must name the list in it")]
    NoItems { pointer: String },
    #[error("the answer has {found} at `{pointer}`, not a list; `items` must name the list in it")]
    NotAList { pointer: String, found: &'static str },
    #[error("the answer has {found} at `{pointer}`, not the URL of the next page")]
    NotNext { pointer: String, found: &'static str },
}

/// Why no task can be made of an item. It names fields, never their content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    #[error("has no field `{field}`, which its source key is made of")]
    NoField { field: String },
    #[error("has {found} as `{field}`; a source key is made of texts and whole numbers")]
    KeyType { field: String, found: &'static str },
    #[error("has an empty text as `{field}`, which its source key is made of")]
    Empty { field: String },
    #[error("makes no source key")]
    Key(#[source] domain::SourceKeyError),
    #[error("has no field `{field}`, which its payload is made of")]
    NoPayload { field: String },
    #[error("makes a payload of {len} bytes, more than {PAYLOAD_MAX}")]
    TooBig { len: usize },
}

/// How payloads are made.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// The item as it is.
    Whole,
    Shaped(Shape),
}

/// JSON whose texts are templates.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Plain(Value),
    Text(Template),
    List(Vec<Shape>),
    Table(Vec<(String, Shape)>),
}

/// Why a text is no [`Shape`].
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    #[error("read it as JSON")]
    Json(#[from] serde_json::Error),
    #[error("read {text:?} in it as a template")]
    Template {
        text: String,
        #[source]
        source: TemplateError,
    },
}

/// The items of an answer, at the JSON pointer `pointer`.
///
/// # Errors
///
/// When there is no list at it.
pub fn items<'a>(answer: &'a Value, pointer: &str) -> Result<&'a [Value], PageError> {
    match answer.pointer(pointer) {
        Some(Value::Array(items)) => Ok(items),
        Some(other) => {
            Err(PageError::NotAList { pointer: pointer.to_owned(), found: type_of(other) })
        }
        None => Err(PageError::NoItems { pointer: pointer.to_owned() }),
    }
}

/// Where an answer says that the next page is, if there is one. Whether that is a URL is not
/// looked at.
///
/// # Errors
///
/// When something else than a text stands there.
pub fn next<'a>(answer: &'a Value, pointer: &str) -> Result<Option<&'a str>, PageError> {
    match answer.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(next)) if next.is_empty() => Ok(None),
        Some(Value::String(next)) => Ok(Some(next)),
        Some(other) => {
            Err(PageError::NotNext { pointer: pointer.to_owned(), found: type_of(other) })
        }
    }
}

/// The source key of an item.
///
/// # Errors
///
/// When a field is missing or of the wrong type, or they make no source key.
pub fn source_key(template: &Template, item: &Value) -> Result<SourceKey, ItemError> {
    let several = 1 < template.fields().count();
    let value = |field: &str| {
        let text = match field_of(item, field) {
            None | Some(Value::Null) => {
                return Err(ItemError::NoField { field: field.to_owned() });
            }
            Some(Value::String(text)) if text.trim().is_empty() => {
                return Err(ItemError::Empty { field: field.to_owned() });
            }
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
            Some(other) => {
                let (field, found) = (field.to_owned(), type_of(other));
                return Err(ItemError::KeyType { field, found });
            }
        };
        Ok(if several { text.replace('%', "%25").replace('/', "%2F") } else { text })
    };
    template.render(value)?.parse().map_err(ItemError::Key)
}

impl Payload {
    /// Reads the configured template; without one, it is the item.
    ///
    /// # Errors
    ///
    /// When it is no JSON, or a text in it no template.
    pub fn read(text: Option<&str>) -> Result<Payload, ShapeError> {
        let Some(text) = text else { return Ok(Payload::Whole) };
        shape(serde_json::from_str(text)?).map(Payload::Shaped)
    }

    /// The payload of one item, as JSON.
    ///
    /// # Errors
    ///
    /// When a field is missing, or it becomes too big.
    pub fn of(&self, item: &Value) -> Result<String, ItemError> {
        let text = match self {
            Payload::Whole => item.to_string(),
            Payload::Shaped(shape) => shape.fill(item)?.to_string(),
        };
        match text.len() {
            len if PAYLOAD_MAX < len => Err(ItemError::TooBig { len }),
            _ => Ok(text),
        }
    }
}

impl Shape {
    fn fill(&self, item: &Value) -> Result<Value, ItemError> {
        Ok(match self {
            Shape::Plain(value) => value.clone(),
            Shape::Text(template) => match template.only_field() {
                // It keeps its type: a number stays a number.
                Some(field) => value_of(item, field)?.clone(),
                None => Value::String(template.render(|field| value_of(item, field).map(as_text))?),
            },
            Shape::List(shapes) => {
                let values = shapes.iter().map(|shape| shape.fill(item));
                Value::Array(values.collect::<Result<_, _>>()?)
            }
            Shape::Table(entries) => {
                let filled = entries.iter().map(|(key, it)| Ok((key.clone(), it.fill(item)?)));
                Value::Object(filled.collect::<Result<Map<_, _>, ItemError>>()?)
            }
        })
    }
}

fn shape(value: Value) -> Result<Shape, ShapeError> {
    Ok(match value {
        Value::String(text) if text.contains(['{', '}']) => match text.parse() {
            Ok(template) => Shape::Text(template),
            Err(source) => return Err(ShapeError::Template { text, source }),
        },
        Value::Array(values) => {
            Shape::List(values.into_iter().map(shape).collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => {
            let shaped = entries.into_iter().map(|(key, value)| Ok((key, shape(value)?)));
            Shape::Table(shaped.collect::<Result<_, ShapeError>>()?)
        }
        plain => Shape::Plain(plain),
    })
}

/// `id` is a field of the item, `/user/login` a pointer into it.
fn field_of<'a>(item: &'a Value, field: &str) -> Option<&'a Value> {
    match field.starts_with('/') {
        true => item.pointer(field),
        false => item.get(field),
    }
}

fn value_of<'a>(item: &'a Value, field: &str) -> Result<&'a Value, ItemError> {
    field_of(item, field).ok_or_else(|| ItemError::NoPayload { field: field.to_owned() })
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// What a value is, in words.
const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
