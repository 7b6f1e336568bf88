use std::{fmt, str::FromStr};

/// A text with places for fields: `ticket/{id}`, `{/user/login} asks`. `{{` and `}}` stand for
/// braces.
///
/// ```
/// let template: domain::Template = "ticket/{id}".parse()?;
/// let rendered = template.render(|field| Ok::<_, ()>(format!("<{field}>")));
/// assert_eq!(rendered, Ok("ticket/<id>".to_owned()));
/// # Ok::<(), domain::TemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
}

/// Why a text is no [`Template`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("template is empty")]
    Empty,
    #[error("template has a '{{' without its '}}'; write {{{{ for a brace")]
    Unclosed,
    #[error("template has a '}}' without its '{{'; write }}}} for a brace")]
    Unopened,
    #[error("template has a place without a field: {{}}")]
    NoField,
}

impl Template {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The fields that it has places for, in their order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field(field) => Some(field.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The field, if the template is one place and nothing else: then its value need not become
    /// text.
    pub fn only_field(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Field(field)] => Some(field),
            _ => None,
        }
    }

    /// Whether two fields stand next to each other with no '/' between them, so that different
    /// values could make the same text.
    pub fn runs_together(&self) -> bool {
        let mut open = false;
        self.parts.iter().any(|part| match part {
            Part::Field(_) => std::mem::replace(&mut open, true),
            Part::Text(text) => {
                open &= !text.contains('/');
                false
            }
        })
    }

    /// The text with a value for each field.
    ///
    /// # Errors
    ///
    /// The first that `value` has.
    pub fn render<E>(&self, mut value: impl FnMut(&str) -> Result<String, E>) -> Result<String, E> {
        let mut rendered = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Field(field) => rendered.push_str(&value(field)?),
            }
        }
        Ok(rendered)
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if text.is_empty() {
            return Err(TemplateError::Empty);
        }
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, after) = (&rest[at..=at], &rest[at + 1..]);
            if let Some(after) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(TemplateError::Unopened);
            }
            let (field, after) = after.split_once('}').ok_or(TemplateError::Unclosed)?;
            if field.contains('{') {
                return Err(TemplateError::Unclosed);
            }
            if field.trim().is_empty() {
                return Err(TemplateError::NoField);
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Field(field.trim().to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template { text: text.to_owned(), parts })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Result<String, TemplateError> {
        let template: Template = text.parse()?;
        Ok(template.render(|field| Ok::<_, ()>(format!("<{field}>"))).unwrap())
    }

    /// Places are filled, doubled braces are braces, and half a place is refused.
    #[test]
    fn places_are_filled() {
        for (text, expected) in [
            ("plain", Ok("plain")),
            ("ticket/{id}", Ok("ticket/<id>")),
            ("{ a }{/b/c}", Ok("<a></b/c>")),
            ("{{id}}/{id}", Ok("{id}/<id>")),
            ("", Err(TemplateError::Empty)),
            ("a{b", Err(TemplateError::Unclosed)),
            ("a{b{c}", Err(TemplateError::Unclosed)),
            ("a}b", Err(TemplateError::Unopened)),
            ("a{}", Err(TemplateError::NoField)),
        ] {
            assert_eq!(rendered(text).as_deref(), expected.as_ref().copied(), "{text}");
        }
    }

    /// Fields that could run into one another are told from those that cannot.
    #[test]
    fn neighbours() {
        let together = |text: &str| text.parse::<Template>().unwrap().runs_together();
        assert!(together("{a}{b}") && together("{a}-{b}") && together("{a}/{b}-{c}"));
        assert!(!together("{a}/{b}") && !together("x-{a}") && !together("x"));
    }
}
