use std::{fs::File, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use domain::{CredentialConfig, CredentialSource};
use serde_json::Value;

use super::{Reading, plain, stamp};
use crate::Secret;

/// A file that holds more is none of secrets.
pub(crate) const BYTES_MAX: u64 = 256 * 1024;
/// A file on a network that is gone may take for ever.
pub(super) const WITHIN: Duration = Duration::from_secs(5);

/// Where in a JSON file what stands. Without `secret` the whole file is the secret.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pointers<'a> {
    pub(crate) secret: Option<&'a str>,
    pub(crate) expires: Option<&'a str>,
    pub(crate) refresh: Option<&'a str>,
}

impl<'a> Pointers<'a> {
    pub(crate) fn of(credential: &'a CredentialConfig) -> Self {
        let CredentialSource::File { pointer, expires_pointer, .. } = &credential.source else {
            return Pointers::default();
        };
        Pointers {
            secret: pointer.as_deref(),
            expires: expires_pointer.as_deref(),
            refresh: credential.refresh.as_ref().map(|it| it.refresh_pointer.as_str()),
        }
    }
}

/// The file behind `path` and every link on the way, as it is now.
pub(super) fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    // Asked before it is opened: opening a pipe would wait for whoever writes into it.
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    match u64::try_from(bytes.len()) {
        Ok(read) if read <= BYTES_MAX => Ok(bytes),
        _ => Err(format!("{} has more than {BYTES_MAX} bytes", path.display())),
    }
}

/// Whether others than its owner may read the file; `None` where that cannot be seen.
pub fn exposed_to_others(path: &Path) -> Option<bool> {
    let found = std::fs::metadata(path).ok()?;
    Some(found.permissions().mode() & 0o077 != 0)
}

/// Finds the secret in what was read, and what lies beside it.
pub(crate) fn pick(bytes: &[u8], pointers: &Pointers<'_>) -> Result<Reading, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is no text".to_owned())?;
    let Some(pointer) = pointers.secret else {
        return plain(text).map_err(|error| error.to_string());
    };
    let json: Value = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("is not readable as JSON from line {line}, column {column} on")
    })?;
    let refresh = pointers.refresh.map(|pointer| secret(&json, pointer)).transpose();
    Ok(Reading {
        secret: secret(&json, pointer)?,
        expires: pointers.expires.map(|pointer| expiry(&json, pointer)).transpose()?.flatten(),
        // Without one it only is not refreshed.
        refresh: refresh.unwrap_or_default(),
    })
}

fn secret(json: &Value, pointer: &str) -> Result<Secret, String> {
    match json.pointer(pointer) {
        Some(Value::String(text)) => {
            text.parse::<Secret>().map_err(|error| format!("{pointer}: {error}"))
        }
        Some(_) => Err(format!("{pointer} is no text")),
        None => Err(format!("there is no {pointer}")),
    }
}

/// A missing expiry is none; one that cannot be read is a mistake to be told.
fn expiry(json: &Value, pointer: &str) -> Result<Option<domain::Timestamp>, String> {
    match json.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(found) => stamp::read(found).map(Some).ok_or_else(|| {
            format!("{pointer} is no time: milliseconds or seconds since 1970, or RFC 3339")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, pointers: &Pointers<'_>, expected: Result<(&str, Option<u64>), &str>) {
        let found = pick(text.as_bytes(), pointers);
        let told = found.map(|reading| {
            let expires = reading.expires.map(domain::Timestamp::as_millis);
            (reading.secret.expose().to_owned(), expires)
        });
        let expected = expected.map(|(secret, expires)| (secret.to_owned(), expires));
        assert_eq!(told, expected.map_err(str::to_owned));
    }

    /// A plain file is its secret without the line end; what is none is told, and never shown.
    #[test]
    fn reads_plain_files() {
        let plain = Pointers::default();
        check("sk-1\n", &plain, Ok(("sk-1", None)));
        check("sk-1\r\n\n", &plain, Ok(("sk-1", None)));
        check("", &plain, Err("it is empty"));
        check("\n", &plain, Err("it is empty"));
        let told = pick(b"sk-1 sk-2", &plain).unwrap_err();
        assert!(told.starts_with("byte 5") && !told.contains("sk-"), "{told}");
        assert!(pick(&[0xff, 0xfe], &plain).is_err());
    }

    /// In a JSON file the pointers are followed, and an expiry is read in each of its forms.
    #[test]
    fn reads_json_files() {
        let pointers = Pointers {
            secret: Some("/claudeAiOauth/accessToken"),
            expires: Some("/claudeAiOauth/expiresAt"),
            refresh: Some("/claudeAiOauth/refreshToken"),
        };
        let file = |expires: &str| {
            format!(r#"{{"claudeAiOauth":{{"accessToken":"tok","expiresAt":{expires}}}}}"#)
        };
        check(&file("1795303338546"), &pointers, Ok(("tok", Some(1_795_303_338_546))));
        check(&file("1795303338"), &pointers, Ok(("tok", Some(1_795_303_338_000))));
        check(&file(r#""1795303338""#), &pointers, Ok(("tok", Some(1_795_303_338_000))));
        let rfc = file(r#""2026-11-21T23:22:18.546Z""#);
        check(&rfc, &pointers, Ok(("tok", Some(1_795_303_338_546))));
        check(&file("null"), &pointers, Ok(("tok", None)));
        let no_time = "/claudeAiOauth/expiresAt is no time: milliseconds or seconds since 1970, \
                       or RFC 3339";
        for wrong in ["\"soon\"", "-1", "true", "{}"] {
            check(&file(wrong), &pointers, Err(no_time));
        }
        check("{}", &pointers, Err("there is no /claudeAiOauth/accessToken"));
        let half = "is not readable as JSON from line 1, column 8 on";
        check(r#"{"tok": "#, &pointers, Err(half));
    }
}
