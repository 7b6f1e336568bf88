//! The recordings as they lie in their folder: one JSON file for each situation.

use std::{fs, path::Path};

use serde_json::Value;

#[derive(Debug)]
pub(crate) struct Recording {
    /// The name of its file, without `.json`.
    pub(crate) name: String,
    pub(crate) exchanges: Vec<Exchange>,
}

/// A request and its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    /// Since the recording began.
    pub(crate) at_ms: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    pub(crate) answer: Answer,
    /// The address of whoever signed the transaction in it.
    pub(crate) sender: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    /// By lower-case name.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// All recordings of a folder, by name.
pub(crate) fn read(folder: &str) -> Vec<Recording> {
    // Tests run in their package's folder; who sets the variable stands at the top.
    let given = Path::new(folder);
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let folder = if given.is_dir() { given } else { &top };
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("read the recordings in {}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| recording(path)).collect()
}

fn recording(path: &Path) -> Recording {
    let text = fs::read_to_string(path).unwrap();
    let file: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    let exchanges = file["exchanges"].as_array().expect("a recording has exchanges");
    Recording {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        exchanges: exchanges.iter().map(exchange).collect(),
    }
}

fn exchange(recorded: &Value) -> Exchange {
    let (request, response) = (&recorded["request"], &recorded["response"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let body = match &request["body"] {
        Value::Null => None,
        Value::String(raw) => Some(raw.clone()),
        json => Some(json.to_string()),
    };
    let headers = headers(&request["headers"]);
    Exchange {
        name: text(&recorded["name"]),
        at_ms: recorded["at_ms"].as_u64().unwrap_or_default(),
        method: text(&request["method"]),
        path: text(&request["path"]),
        sender: sender(&request["body"], &headers),
        headers,
        body,
        answer: Answer {
            status: response["status"].as_u64().expect("an answer has a status"),
            headers: self::headers(&response["headers"]),
            body: response["body"].clone(),
        },
    }
}

fn headers(recorded: &Value) -> Vec<(String, String)> {
    let headers = recorded.as_object().into_iter().flatten();
    headers
        .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn sender(body: &Value, headers: &[(String, String)]) -> Option<String> {
    let in_header = headers.iter().find(|(name, _)| name == "payment-signature");
    let in_header = in_header.and_then(|(_, value)| super::compare::decoded(value));
    let payload = in_header.as_ref().unwrap_or(&body["paymentPayload"]);
    let transaction = payload["payload"]["transaction"].as_str();
    let transaction = transaction.or(body["transaction"].as_str())?;
    let tx = stacks::decode(&stacks::hex::decode(transaction).ok()?).ok()?;
    Some(tx.origin_address().to_string())
}
