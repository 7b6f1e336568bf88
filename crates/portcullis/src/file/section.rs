use std::{fmt::Display, ops::Range, str::FromStr, time::Duration};

use domain::MicroUsd;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    notes::Notes,
    value::{nearest, parse_duration, parse_permille},
};

/// Where in the text something stands.
pub(super) type Span = Range<usize>;

/// One table of the file, asked for its keys one by one.
///
/// Every getter notes what is wrong and then answers something harmless, so that reading goes
/// on to the next problem. Whatever was never asked for is unknown: see [`Section::finish`].
pub(super) struct Section<'t> {
    /// As it is written in brackets: `kinds.welcome`. Empty for the whole file.
    pub(super) place: String,
    /// Where it begins.
    pub(super) span: Span,
    table: &'t DeTable<'t>,
    asked: Vec<&'static str>,
}

/// A piece of text in the file.
#[derive(Clone, Debug)]
pub(super) struct Word<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

impl<'t> Section<'t> {
    pub(super) fn root(table: &'t DeTable<'t>) -> Self {
        Section { place: String::new(), span: 0..0, table, asked: Vec::new() }
    }

    /// Whether the key is there at all, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(&self, notes: &mut Notes<'_>) {
        for (key, _) in self.table.iter() {
            let word: &str = key.get_ref();
            if self.asked.contains(&word) {
                continue;
            }
            let advice = match nearest(word, self.asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            notes.problem(&key.span(), format!("unknown key `{word}`{}; {advice}", self.within()));
        }
    }

    /// The tables under `key`, each with its name: `[kinds.welcome]` under `kinds`.
    pub(super) fn named(
        &mut self,
        key: &'static str,
        notes: &mut Notes<'_>,
    ) -> Vec<(Word<&'t str>, Section<'t>)> {
        let Some(section) = self.section(key, notes) else { return Vec::new() };
        let mut found = Vec::new();
        for (name, value) in section.table.iter() {
            let place = format!("{}.{}", section.place, name.get_ref());
            let Some(section) = Self::of(place, name.span(), value, notes) else { continue };
            found.push((Word { value: name.get_ref().as_ref(), span: name.span() }, section));
        }
        found
    }

    /// The one table under `key`.
    pub(super) fn section(
        &mut self,
        key: &'static str,
        notes: &mut Notes<'_>,
    ) -> Option<Section<'t>> {
        let (name, value) = self.entry(key)?;
        Self::of(self.place_of(key), name, value, notes)
    }

    /// The tables in the list under `key`.
    pub(super) fn sections(
        &mut self,
        key: &'static str,
        notes: &mut Notes<'_>,
    ) -> Vec<Section<'t>> {
        let Some((_, value)) = self.entry(key) else { return Vec::new() };
        let DeValue::Array(list) = value.get_ref() else {
            self.mistyped(key, value, "a list of tables: [{ … }, { … }]", notes);
            return Vec::new();
        };
        let place = self.place_of(key);
        let of = |value| Self::of(place.clone(), Spanned::span(value), value, notes);
        list.iter().filter_map(of).collect()
    }

    pub(super) fn text(
        &mut self,
        key: &'static str,
        notes: &mut Notes<'_>,
    ) -> Option<Word<&'t str>> {
        let (_, value) = self.entry(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Word { value: text.as_ref(), span: value.span() }),
            _ => {
                self.mistyped(key, value, "text in quotes", notes);
                None
            }
        }
    }

    /// As [`Section::text`], and a problem if it is not there.
    pub(super) fn required(
        &mut self,
        key: &'static str,
        example: &str,
        notes: &mut Notes<'_>,
    ) -> Option<Word<&'t str>> {
        if self.table.contains_key(key) {
            return self.text(key, notes);
        }
        self.asked.push(key);
        notes
            .problem(&self.span, format!("[{}] has no `{key}`; add {key} = {example}", self.place));
        None
    }

    /// Parses a word that was found; what is wrong with it is for its type to say.
    pub(super) fn parse<T>(
        &self,
        key: &'static str,
        word: &Word<&str>,
        notes: &mut Notes<'_>,
    ) -> Option<Word<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        match word.value.parse() {
            Ok(value) => Some(Word { value, span: word.span.clone() }),
            Err(error) => {
                notes.problem(&word.span, format!("`{key}`{}: {error}", self.within()));
                None
            }
        }
    }

    pub(super) fn texts(&mut self, key: &'static str, notes: &mut Notes<'_>) -> Vec<Word<&'t str>> {
        let Some((_, value)) = self.entry(key) else { return Vec::new() };
        let DeValue::Array(list) = value.get_ref() else {
            self.mistyped(key, value, "a list of texts: [\"…\", \"…\"]", notes);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for value in list.iter() {
            match value.get_ref() {
                DeValue::String(text) => {
                    texts.push(Word { value: text.as_ref(), span: value.span() });
                }
                _ => self.mistyped(key, value, "a list of texts: [\"…\", \"…\"]", notes),
            }
        }
        texts
    }

    /// A duration of at least `least`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        otherwise: Duration,
        least: Duration,
        notes: &mut Notes<'_>,
    ) -> Duration {
        self.duration_since(key, otherwise, (least, ""), notes)
    }

    /// As [`Section::duration`], and says why it may not be shorter.
    pub(super) fn duration_since(
        &mut self,
        key: &'static str,
        otherwise: Duration,
        (least, why): (Duration, &str),
        notes: &mut Notes<'_>,
    ) -> Duration {
        const SPELLING: &str =
            "a whole number and a unit: \"500ms\", \"30s\", \"10m\", \"1h\", \"2d\"";
        let Some((_, value)) = self.entry(key) else { return otherwise };
        let DeValue::String(text) = value.get_ref() else {
            self.mistyped(key, value, SPELLING, notes);
            return otherwise;
        };
        match parse_duration(text) {
            Some(time) if least <= time => return time,
            Some(_) => {
                let least = super::value::spell_duration(least);
                let text = format!("`{key} = \"{text}\"`{} is too short", self.within());
                notes.problem(&value.span(), format!("{text}; at least \"{least}\"{why}"));
            }
            None => {
                let text = format!("`{key} = \"{text}\"`{} is not a duration", self.within());
                notes.problem(&value.span(), format!("{text}; write {SPELLING}"));
            }
        }
        otherwise
    }

    /// Dollars in quotes, more than nothing; `None` if they are not there or not right.
    pub(super) fn dollars(
        &mut self,
        key: &'static str,
        why: &str,
        notes: &mut Notes<'_>,
    ) -> Option<MicroUsd> {
        let (_, value) = self.entry(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.mistyped(key, value, "dollars in quotes: \"5.00\"", notes);
            return None;
        };
        let found = format!("`{key} = \"{text}\"`{}", self.within());
        match text.parse::<MicroUsd>() {
            Ok(MicroUsd::ZERO) => {
                notes.problem(&value.span(), format!("{found} is out of range: {why}"));
                None
            }
            Ok(amount) => Some(amount),
            Err(_) => {
                let advice = "write them like \"5.00\", with at most six decimals";
                notes.problem(&value.span(), format!("{found} is no amount of dollars; {advice}"));
                None
            }
        }
    }

    /// A whole number of at least `least`; `None` if it is not there or not right.
    pub(super) fn number<N: TryFrom<u64>>(
        &mut self,
        key: &'static str,
        least: u64,
        why: &str,
        notes: &mut Notes<'_>,
    ) -> Option<N> {
        let (_, value) = self.entry(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.mistyped(key, value, "a whole number", notes);
            return None;
        };
        let parsed = u64::from_str_radix(number.as_str(), number.radix()).ok();
        let fitting = parsed.filter(|number| least <= *number);
        let fitting = fitting.and_then(|number| N::try_from(number).ok());
        if fitting.is_none() {
            let found = format!("`{key} = {number}`{}", self.within());
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            notes.problem(
                &value.span(),
                format!("{found} is out of range{why}; write a whole number from {least} on"),
            );
        }
        fitting
    }

    /// A part of one, in thousandths: `0.2` is 200.
    pub(super) fn share(
        &mut self,
        key: &'static str,
        otherwise: u32,
        notes: &mut Notes<'_>,
    ) -> u32 {
        const SPELLING: &str = "a part of one with at most three digits, such as 0.2";
        let Some((_, value)) = self.entry(key) else { return otherwise };
        let text = match value.get_ref() {
            DeValue::Float(number) => number.as_str(),
            DeValue::Integer(number) => number.as_str(),
            _ => {
                self.mistyped(key, value, SPELLING, notes);
                return otherwise;
            }
        };
        let share = parse_permille(text);
        if share.is_none() {
            let text = format!("`{key} = {text}`{} is no share; write {SPELLING}", self.within());
            notes.problem(&value.span(), text);
        }
        share.unwrap_or(otherwise)
    }

    /// One of the words that there are for a setting.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[T],
        word: impl Fn(T) -> &'static str,
        notes: &mut Notes<'_>,
    ) -> Option<T> {
        let text = self.text(key, notes)?;
        let found = all.iter().copied().find(|choice| word(*choice) == text.value);
        if found.is_none() {
            let known: Vec<String> = all.iter().map(|it| format!("{:?}", word(*it))).collect();
            let told = format!("`{key} = {:?}`{} is unknown", text.value, self.within());
            notes.problem(&text.span, format!("{told}; write one of {}", known.join(", ")));
        }
        found
    }

    /// ` in [kinds.welcome]`, or nothing at the top of the file.
    pub(super) fn within(&self) -> String {
        if self.place.is_empty() { String::new() } else { format!(" in [{}]", self.place) }
    }

    fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    fn entry(&mut self, key: &'static str) -> Option<(Span, &'t Spanned<DeValue<'t>>)> {
        self.asked.push(key);
        let (name, value) = self.table.get_key_value(key)?;
        Some((name.span(), value))
    }

    fn of(
        place: String,
        span: Span,
        value: &'t Spanned<DeValue<'t>>,
        notes: &mut Notes<'_>,
    ) -> Option<Section<'t>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Section { place, span, table, asked: Vec::new() }),
            _ => {
                let text = format!("`{place}` is a value; make it a table: [{place}]");
                notes.problem(&value.span(), text);
                None
            }
        }
    }

    fn mistyped(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
        notes: &mut Notes<'_>,
    ) {
        let found = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let text = format!("`{key}`{} is {found}; write {expected}", self.within());
        notes.problem(&value.span(), text);
    }
}
