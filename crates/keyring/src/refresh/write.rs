use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use domain::{CredentialConfig, Timestamp};
use serde_json::Value;

use super::ask::Bought;
use crate::{
    Secret,
    source::{Pointers, contents, stamp},
};

/// A file beside the one that is to be replaced, removed when dropped.
pub(super) struct Replacement {
    /// The file itself, behind every link.
    target: PathBuf,
    fresh: PathBuf,
    file: File,
    mode: u32,
}

/// What was bought must not be lost to a disk that is full for a moment.
const TRIES: u32 = 5;

impl Replacement {
    /// Makes the new file, still empty, for nobody else to read.
    pub(super) fn prepare(path: &Path) -> Result<Replacement, String> {
        let failed = |error: std::io::Error| error.to_string();
        let target = fs::canonicalize(path).map_err(failed)?;
        let mode = fs::metadata(&target).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o200 == 0 {
            return Err(format!("{} is read-only", target.display()));
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:016x}.new", kit::fresh_number()));
        let fresh = target.with_file_name(name);
        let made = File::options().write(true).create_new(true).mode(0o600).open(&fresh);
        let file = made.map_err(|error| format!("{}: {error}", fresh.display()))?;
        Ok(Replacement { target, fresh, file, mode })
    }

    /// Puts what was bought in the place of the old, and leaves every other field as it is.
    ///
    /// # Errors
    ///
    /// When it could not be written in a few tries, or the file is no longer the one whose
    /// token was exchanged: then what lies there now is left alone.
    pub(super) async fn write(
        mut self,
        credential: &CredentialConfig,
        exchanged: &Secret,
        bought: &Bought,
        expires: Option<Timestamp>,
    ) -> Result<(), String> {
        let bytes = contents(&self.target).await?;
        let text = replaced(&bytes, &Pointers::of(credential), exchanged, bought, expires)?;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.put(text.as_bytes()) {
                Ok(()) => return Ok(()),
                Err(error) if TRIES <= tries => return Err(error.to_string()),
                Err(error) => {
                    tracing::warn!(file = %self.target.display(), %error, "not written yet");
                    kit::Clock.sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        use std::io::Seek as _;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(bytes)?;
        self.file.set_permissions(fs::Permissions::from_mode(self.mode))?;
        self.file.sync_all()?;
        fs::rename(&self.fresh, &self.target)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Gone already when it has taken the other's place.
        let _ = fs::remove_file(&self.fresh);
    }
}

/// The text of the file with what was bought in it.
fn replaced(
    bytes: &[u8],
    pointers: &Pointers<'_>,
    exchanged: &Secret,
    bought: &Bought,
    expires: Option<Timestamp>,
) -> Result<String, String> {
    let mut json: Value =
        serde_json::from_slice(bytes).map_err(|_| "it is not JSON any more".to_owned())?;
    let mut put = |pointer: Option<&str>, value: Value| {
        let place = pointer.and_then(|pointer| json.pointer_mut(pointer));
        place.map(|place| std::mem::replace(place, value))
    };
    let refresh = bought.refresh.as_ref().unwrap_or(exchanged).expose();
    let before = put(pointers.refresh, refresh.into());
    if before.as_ref().and_then(Value::as_str) != Some(exchanged.expose()) {
        return Err("another token was put there meanwhile, and is left".to_owned());
    }
    put(pointers.secret, bought.secret.expose().into());
    let before = put(pointers.expires, Value::Null);
    if let Some(expires) = expires {
        put(pointers.expires, stamp::like(before.as_ref(), expires));
    }
    serde_json::to_string_pretty(&json).map_err(|_| "it cannot be written as JSON".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTERS: Pointers<'_> =
        Pointers { secret: Some("/a/access"), expires: Some("/a/expires"), refresh: Some("/a/rt") };

    fn bought(refresh: Option<&str>) -> Bought {
        Bought {
            secret: "new".parse().unwrap(),
            lives_for: None,
            refresh: refresh.map(|text| text.parse().unwrap()),
        }
    }

    /// Other fields stay, the time keeps its form, and a file that somebody else has renewed
    /// meanwhile is left alone.
    #[test]
    fn keeps_everything_else() {
        let file = r#"{"a":{"access":"old","rt":"one","expires":5,"scopes":["x"]},"other":{}}"#;
        let one: Secret = "one".parse().unwrap();
        let expires = Some(Timestamp::from_millis(1_795_303_338_546));
        let text = replaced(file.as_bytes(), &POINTERS, &one, &bought(Some("two")), expires);
        let json: Value = serde_json::from_str(&text.unwrap()).unwrap();
        let expected = serde_json::json!({
            "a": { "access": "new", "rt": "two", "expires": 1_795_303_338, "scopes": ["x"] },
            "other": {},
        });
        assert_eq!(json, expected);
        let text = replaced(file.as_bytes(), &POINTERS, &one, &bought(None), None).unwrap();
        assert!(text.contains(r#""rt": "one""#) && text.contains(r#""expires": null"#), "{text}");
        let other: Secret = "zero".parse().unwrap();
        assert!(replaced(file.as_bytes(), &POINTERS, &other, &bought(None), None).is_err());
    }
}
