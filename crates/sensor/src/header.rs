//! The headers of a request, secret or not.
//!
//! A configuration says where a secret lies, never what it is. It is read anew each time, so
//! that a renewed one counts, and is in no error: those say where it was looked for.

use domain::{HeaderConfig, HeaderValue as Value};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Why a header cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("`{name}` is no name of a header")]
    Name { name: String },
    #[error("read {path}, the value of the header `{name}`")]
    File {
        name: String,
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the environment of the sensor has no {variable}, the value of the header `{name}`")]
    Env { name: String, variable: String },
    #[error("what lies at {place} is empty, or no value of the header `{name}`")]
    Value { name: String, place: String },
}

/// All of them, each with its value as it is now.
///
/// # Errors
///
/// When one of them is not to be had: asking without it would be asking for something else.
pub(crate) fn headers(configured: &[HeaderConfig]) -> Result<HeaderMap, HeaderError> {
    let mut headers = HeaderMap::new();
    for header in configured {
        let HeaderConfig { name, value, .. } = header;
        let parsed: HeaderName =
            name.parse().map_err(|_| HeaderError::Name { name: name.clone() })?;
        let (text, place) = match value {
            Value::Plain(text) => (text.clone(), "`value`".to_owned()),
            Value::File(path) => (read(name, path)?, path.clone()),
            Value::Env(variable) => (variable_of(name, variable)?, variable.clone()),
        };
        let sent = header.sent(&text).and_then(|sent| HeaderValue::from_str(&sent).ok());
        let mut sent = sent.ok_or_else(|| HeaderError::Value { name: name.clone(), place })?;
        sent.set_sensitive(!matches!(value, Value::Plain(_)));
        headers.append(parsed, sent);
    }
    Ok(headers)
}

fn read(name: &str, path: &str) -> Result<String, HeaderError> {
    std::fs::read_to_string(path).map_err(|source| HeaderError::File {
        name: name.to_owned(),
        path: path.to_owned(),
        source,
    })
}

#[expect(clippy::disallowed_methods, reason = "the configuration names which variable it is")]
fn variable_of(name: &str, variable: &str) -> Result<String, HeaderError> {
    std::env::var(variable)
        .map_err(|_| HeaderError::Env { name: name.to_owned(), variable: variable.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(prefix: &str, value: Value) -> HeaderConfig {
        HeaderConfig { name: "authorization".to_owned(), prefix: prefix.to_owned(), value }
    }

    /// A secret in a file is sent as it is now, and shows in neither errors nor `Debug`.
    #[test]
    fn secrets_do_not_show() {
        let dir = std::env::temp_dir().join(format!("sensor-header-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("token");
        let config = [header("Bearer ", Value::File(path.display().to_string()))];
        std::fs::write(&path, "s3cret-1\n").unwrap();
        let sent = headers(&config).unwrap();
        assert_eq!(sent["authorization"], "Bearer s3cret-1");
        assert!(!format!("{sent:?}").contains("s3cret"));
        std::fs::write(&path, "s3cret\u{1}2").unwrap();
        let error = headers(&config).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
        std::fs::remove_dir_all(&dir).unwrap();
        let error = headers(&config).unwrap_err().to_string();
        assert!(error.contains("token"), "{error}");
        let unset = [header("", Value::Env("PORTCULLIS_NO_SUCH_VARIABLE".to_owned()))];
        let error = headers(&unset).unwrap_err().to_string();
        assert!(error.contains("PORTCULLIS_NO_SUCH_VARIABLE"), "{error}");
    }
}
