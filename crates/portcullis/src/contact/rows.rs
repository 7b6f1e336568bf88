//! What a file says, row by row: good ones, and bad ones with their line and what is wrong.

use serde_json::Value;
use stacks::{Address, Network};

use super::{Format, csv};

/// Somebody who has heard from us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// As [`Bad::line`]; 0 where it is of no file.
    pub(super) line: usize,
    pub(super) address: Address,
    /// As the row has it; `None` for the usual one.
    pub(super) purpose: Option<String>,
    pub(super) how: String,
}

/// A row that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// The line, or the entry of an array, counted from 1.
    pub(super) line: usize,
    pub(super) why: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) good: Vec<Row>,
    pub(super) bad: Vec<Bad>,
}

/// Longer is no name and no story, but a mistake.
const TEXT_MAX: usize = 500;
const ADDRESS: [&str; 4] = ["address", "stxaddress", "stx_address", "stacks_address"];

/// Reads a file of either format.
///
/// # Errors
///
/// When it is no such file at all; what is wrong with single rows stands beside the good ones.
pub(super) fn read(text: &str, format: Format, network: Network) -> Result<Rows, String> {
    match format {
        Format::Csv => of_csv(text, network),
        Format::Json => of_json(text, network),
    }
}

fn of_csv(text: &str, network: Network) -> Result<Rows, String> {
    let records = csv::records(text).map_err(|error| error.to_string())?;
    let Some((header, records)) = records.split_first() else {
        return Err("the file is empty: it needs a header row with a column `address`".to_owned());
    };
    let named: Vec<String> = header.fields.iter().map(|name| name.to_lowercase()).collect();
    let column = |names: &[&str]| named.iter().position(|name| names.contains(&name.as_str()));
    let Some(address) = column(&ADDRESS) else {
        return Err(format!(
            "line {}: no column `address` (or `stxAddress`) in the header: {}",
            header.line,
            header.fields.join(", ")
        ));
    };
    let (purpose, how) = (column(&["purpose"]), column(&["how", "note"]));
    let mut rows = Rows::default();
    for record in records {
        let field = |at: Option<usize>| at.and_then(|at| record.fields.get(at)).cloned();
        if named.len() < record.fields.len() {
            let why = format!(
                "{} fields, and the header has {}: a text with a comma needs quotes",
                record.fields.len(),
                named.len()
            );
            rows.bad.push(Bad { line: record.line, why });
            continue;
        }
        rows.add(record.line, field(Some(address)), field(purpose), field(how), network);
    }
    Ok(rows)
}

fn of_json(text: &str, network: Network) -> Result<Rows, String> {
    let mut rows = Rows::default();
    if text.trim_start().starts_with('[') {
        let values: Vec<Value> =
            serde_json::from_str(text).map_err(|error| format!("no JSON array: {error}"))?;
        for (at, value) in values.iter().enumerate() {
            rows.add_value(at + 1, value, network);
        }
        return Ok(rows);
    }
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(value) => rows.add_value(at + 1, &value, network),
            Err(error) => rows.bad.push(Bad { line: at + 1, why: format!("no JSON: {error}") }),
        }
    }
    match rows == Rows::default() {
        true => Err("the file is empty".to_owned()),
        false => Ok(rows),
    }
}

impl Rows {
    /// An object, or an address alone.
    fn add_value(&mut self, line: usize, value: &Value, network: Network) {
        let (address, purpose, how) = match value {
            Value::String(address) => (Some(address.clone()), None, None),
            Value::Object(fields) => {
                let text = |names: &[&str]| {
                    let named = |name: &str| names.contains(&name.to_lowercase().as_str());
                    let field =
                        fields.iter().find(|(name, value)| named(name) && value.is_string());
                    field.and_then(|(_, value)| value.as_str()).map(str::to_owned)
                };
                (text(&ADDRESS), text(&["purpose"]), text(&["how", "note"]))
            }
            _ => {
                let why = "neither an object nor an address".to_owned();
                return self.bad.push(Bad { line, why });
            }
        };
        self.add(line, address, purpose, how, network);
    }

    fn add(
        &mut self,
        line: usize,
        address: Option<String>,
        purpose: Option<String>,
        how: Option<String>,
        network: Network,
    ) {
        let purpose = purpose.filter(|purpose| !purpose.is_empty());
        let row = address
            .filter(|address| !address.is_empty())
            .ok_or_else(|| "no address".to_owned())
            .and_then(|address| checked(&address, network));
        let how = how.unwrap_or_default();
        let unfit = |text: &str| TEXT_MAX < text.len() || text.chars().any(char::is_control);
        let long = unfit(&how) || purpose.as_deref().is_some_and(unfit);
        match row {
            _ if long => {
                let why =
                    format!("a purpose or how of more than {TEXT_MAX} bytes, or of several lines");
                self.bad.push(Bad { line, why });
            }
            Ok(address) => self.good.push(Row { line, address, purpose, how }),
            Err(why) => self.bad.push(Bad { line, why }),
        }
    }
}

/// An address of our network, by its checksum.
pub(super) fn checked(text: &str, network: Network) -> Result<Address, String> {
    let address: Address = text.parse().map_err(|error| format!("address {text:?}: {error}"))?;
    match address.network() {
        Some(of) if of == network => Ok(address),
        _ => Err(format!("address {text} is not of {network}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";
    const TWO: &str = "SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA";
    const ELSEWHERE: &str = "ST2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKQVX8X0G";

    fn csv(text: &str) -> Rows {
        read(text, Format::Csv, Network::Mainnet).unwrap()
    }

    fn json(text: &str) -> Rows {
        read(text, Format::Json, Network::Mainnet).unwrap()
    }

    fn lines(rows: &Rows) -> Vec<usize> {
        rows.bad.iter().map(|bad| bad.line).collect()
    }

    /// Unknown columns are left alone, whatever their order; known ones are read.
    #[test]
    fn reads_its_own_columns() {
        let rows =
            csv(&format!("name,STXADDRESS,how\nAnn,{ONE},\"by mail, in May\"\nBob,{TWO},\n"));
        assert_eq!((rows.good.len(), rows.bad.len()), (2, 0));
        assert_eq!(rows.good[0].address.to_string(), ONE);
        assert_eq!((rows.good[0].how.as_str(), &rows.good[0].purpose), ("by mail, in May", &None));
        let rows = csv(&format!("address,purpose\n{ONE},prompt"));
        assert_eq!(rows.good[0].purpose.as_deref(), Some("prompt"));
    }

    /// A bad row is told with its line and what is wrong; good ones beside it stay good.
    #[test]
    fn bad_rows_have_their_lines() {
        let misspelt = ONE.replace('J', "K");
        let text = format!("address,how\n{ONE},x\n,x\n{misspelt},x\n{ELSEWHERE},x\n{TWO},a,b\n");
        let rows = csv(&text);
        assert_eq!((rows.good.len(), lines(&rows)), (1, vec![3, 4, 5, 6]));
        assert!(rows.bad[0].why.contains("no address"), "{rows:?}");
        assert!(rows.bad[1].why.contains(&misspelt), "{rows:?}");
        assert!(rows.bad[3].why.contains("quotes"), "{rows:?}");
        let rows = csv(&format!("address,how\n{ONE},\"two\nlines\"\n"));
        assert_eq!(lines(&rows), [2]);
    }

    /// JSON is an array, of objects or addresses, or one value a line.
    #[test]
    fn reads_json_of_either_kind() {
        let array = json(&format!(r#"[{{"stxAddress":"{ONE}","how":"mail","x":1}},"{TWO}",7]"#));
        assert_eq!((array.good.len(), lines(&array)), (2, vec![3]));
        assert_eq!(array.good[0].how, "mail");
        let text = format!("{{\"address\":\"{ONE}\"}}\n\nnonsense\n{{\"name\":\"Ann\"}}\n");
        let each = json(&text);
        assert_eq!((each.good.len(), lines(&each)), (1, vec![3, 4]));
    }

    /// What is no such file at all says what is missing.
    #[test]
    fn no_file_at_all() {
        let refused = |text, format| read(text, format, Network::Mainnet).unwrap_err();
        assert!(refused("", Format::Csv).contains("header"));
        assert!(refused("name\nAnn\n", Format::Csv).contains("no column `address`"));
        assert!(refused("[{", Format::Json).contains("array"));
        assert!(refused(" \n", Format::Json).contains("empty"));
    }
}
