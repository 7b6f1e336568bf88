//! Comma-separated values: fields may be quoted, and a quoted one may hold commas, line ends
//! and doubled quotes (RFC 4180).

/// One record with the line on which it begins, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) line: usize,
    pub(super) fields: Vec<String>,
}

/// A quote that is not closed swallows the rest of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: a quoted field begins here and never ends")]
pub(super) struct Unclosed {
    pub(super) line: usize,
}

/// Reads all records. Empty lines are no records.
pub(super) fn records(text: &str) -> Result<Vec<Record>, Unclosed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut records, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begun, mut quoted) = (1, 1, None);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match (c, quoted) {
            ('"', Some(_)) if chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            ('"', Some(_)) => quoted = None,
            (c, Some(_)) => field.push(c),
            ('"', None) if field.trim().is_empty() => {
                field.clear();
                quoted = Some(line);
            }
            (',', None) => fields.push(std::mem::take(&mut field)),
            ('\n', None) => {
                end(&mut records, &mut fields, &mut field, begun);
                begun = line;
            }
            (c, None) => field.push(c),
        }
    }
    if let Some(line) = quoted {
        return Err(Unclosed { line });
    }
    end(&mut records, &mut fields, &mut field, begun);
    Ok(records)
}

fn end(records: &mut Vec<Record>, fields: &mut Vec<String>, field: &mut String, line: usize) {
    fields.push(std::mem::take(field));
    let fields = std::mem::take(fields);
    let fields: Vec<String> = fields.iter().map(|field| field.trim().to_owned()).collect();
    if fields.iter().any(|field| !field.is_empty()) {
        records.push(Record { line, fields });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        records(text).unwrap().into_iter().map(|record| (record.line, record.fields)).collect()
    }

    fn row(line: usize, fields: &[&str]) -> (usize, Vec<String>) {
        (line, fields.iter().map(ToString::to_string).collect())
    }

    /// Quotes protect commas, line ends and quotes; the line of a record is the one on which it
    /// begins, whatever lies before it.
    #[test]
    fn reads_what_spreadsheets_write() {
        assert_eq!(read("a,b\r\nc, d \n"), [row(1, &["a", "b"]), row(2, &["c", "d"])]);
        assert_eq!(read("\u{feff}a\n\n\nb"), [row(1, &["a"]), row(4, &["b"])]);
        let text = "x,\"a, \"\"b\"\"\nc\"\ny,";
        assert_eq!(read(text), [row(1, &["x", "a, \"b\"\nc"]), row(3, &["y", ""])]);
        assert_eq!(read(""), []);
        assert_eq!(records("a\nb,\"c\nd").unwrap_err(), Unclosed { line: 2 });
    }
}
