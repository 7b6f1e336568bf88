//! A text with places in it that the payload of a task fills: `Sum up {payload.title}.`
//!
//! A place is `{payload}` or `{payload.` and field names joined by dots `}`; every other brace
//! stands for itself, so that JSON and code can be written as they are. It promises that nothing
//! is asked with a place left open: a payload that lacks a field is an error, with its name.

/// A text, cut at its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The names on the way to the field; none for the whole payload.
    Field(Vec<String>),
}

/// Why a text is no template, or a payload does not fill it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("{{payload is not closed; write {{payload.field}}")]
    Open,
    #[error("{{{place}}} is no place; write {{payload}} or {{payload.field}}")]
    BadPlace { place: String },
    #[error("the payload has no field `{field}`")]
    Missing { field: String },
}

const START: &str = "{payload";

impl Template {
    /// # Errors
    ///
    /// When a place is begun and not a place: [`TemplateError`].
    ///
    /// ```
    /// use logic::prompt::Template;
    ///
    /// let template = Template::parse("{\"q\": {payload.text}}")?;
    /// let filled = template.fill(|names| (names == ["text"]).then(|| "why".to_owned()))?;
    /// assert_eq!(filled, "{\"q\": why}");
    /// # Ok::<(), logic::prompt::TemplateError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(START) {
            let (before, place) = rest.split_at(at);
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let end = place.find('}').ok_or(TemplateError::Open)?;
            pieces.push(Piece::Field(field(&place[1..end])?));
            rest = &place[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Template { pieces })
    }

    /// The text with each place filled by what `find` answers for its names.
    ///
    /// # Errors
    ///
    /// When `find` knows nothing for one.
    pub fn fill(
        &self,
        find: impl Fn(&[String]) -> Option<String>,
    ) -> Result<String, TemplateError> {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Field(names) => filled.push_str(
                    &find(names)
                        .ok_or_else(|| TemplateError::Missing { field: names.join(".") })?,
                ),
            }
        }
        Ok(filled)
    }
}

/// The names of a place without its braces.
fn field(place: &str) -> Result<Vec<String>, TemplateError> {
    let bad = || TemplateError::BadPlace { place: place.chars().take(80).collect() };
    match place.strip_prefix("payload").ok_or_else(bad)? {
        "" => Ok(Vec::new()),
        names => {
            let names = names.strip_prefix('.').ok_or_else(bad)?;
            let names: Vec<String> = names.split('.').map(str::to_owned).collect();
            let name = |name: &String| {
                !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '{')
            };
            if names.iter().all(name) { Ok(names) } else { Err(bad()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String, TemplateError> {
        Template::parse(text)?.fill(|names| match names.join(".").as_str() {
            "" => Some("ALL".to_owned()),
            "a.b" => Some("{payload.a}".to_owned()),
            _ => None,
        })
    }

    /// Places are filled and nothing else is touched; what comes in is not read again, so that no
    /// payload reaches another field.
    #[test]
    fn fills_places_and_nothing_else() {
        assert_eq!(fill("{ {payload} } {x}").unwrap(), "{ ALL } {x}");
        assert_eq!(fill("<{payload.a.b}>").unwrap(), "<{payload.a}>");
        assert_eq!(fill("").unwrap(), "");
    }

    /// What cannot be filled is not asked.
    #[test]
    fn refuses_what_it_cannot_fill() {
        for (text, told) in [
            ("{payload.c}", "the payload has no field `c`"),
            ("a {payload.c", "{payload is not closed; write {payload.field}"),
            ("{payloads}", "{payloads} is no place; write {payload} or {payload.field}"),
            ("{payload.}", "{payload.} is no place; write {payload} or {payload.field}"),
            ("{payload.a b}", "{payload.a b} is no place; write {payload} or {payload.field}"),
        ] {
            assert_eq!(fill(text).unwrap_err().to_string(), told);
        }
    }
}
