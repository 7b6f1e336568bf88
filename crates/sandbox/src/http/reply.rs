//! Answers, and the small things that all of them need.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::Timestamp;
use serde_json::Value;

/// A JSON answer with headers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, body: Value) -> Self {
        Reply { status, headers: Vec::new(), body }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Reply::new(StatusCode::OK, body)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((HeaderName::from_static(name), value.to_string()));
        self
    }

    /// `Retry-After`, in seconds, where there is something to wait for.
    pub(crate) fn retry_after(self, secs: Option<u64>) -> Self {
        match secs {
            Some(secs) => self.header("retry-after", secs),
            None => self,
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body.to_string()).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// Where the client believes to have found us.
pub(crate) fn base_url(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
}

/// A time as the services write it.
pub(crate) fn iso(ms: u64) -> String {
    Timestamp::from_millis(ms).to_string()
}

/// JSON for a header: base64 of the compact text.
pub(crate) fn in_header(value: &Value) -> String {
    BASE64_STANDARD.encode(value.to_string())
}

/// An object without the fields that are null, as JavaScript leaves out what is undefined.
pub(crate) fn defined(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| !field.is_null());
    }
    value
}

/// A query parameter as JavaScript's `parseInt` would read it.
pub(crate) fn integer(text: Option<&String>) -> Option<i64> {
    text.and_then(|text| text.trim().parse().ok())
}
