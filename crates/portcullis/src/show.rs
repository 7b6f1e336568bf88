//! How times, counts and tables look to people.

use std::time::Duration;

use domain::{GateState, Timestamp};

use crate::out::Out;

/// `12 min`, `3 h`, `9 d`: the greatest unit that is not zero.
pub(crate) fn lasts(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `12 min ago`.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.since(at) {
        time if time < Duration::from_secs(1) => "just now".to_owned(),
        time => format!("{} ago", lasts(time)),
    }
}

/// `in 30 s`, or `due` when it has come.
pub(crate) fn until(due: Timestamp, now: Timestamp) -> String {
    match due.since(now) {
        Duration::ZERO => "due".to_owned(),
        time => format!("in {}", lasts(time)),
    }
}

/// The time of day, UTC.
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// The first line, cut to `max` characters.
pub(crate) fn line(text: &str, max: usize) -> String {
    let first = text.trim().lines().next().unwrap_or_default();
    let printable: String = first.chars().filter(|c| !c.is_control()).collect();
    if max < printable.chars().count() {
        wire::event::shorten(&printable, max.saturating_sub(1))
    } else {
        printable
    }
}

/// A cell of a table; a state gives it a colour.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    state: Option<GateState>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell { text, state: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell { text: text.to_owned(), state: None }
    }
}

impl Cell {
    pub(crate) fn of(state: GateState) -> Self {
        Cell { text: state.told().to_owned(), state: Some(state) }
    }
}

/// A table under its headings, each column as wide as it must be and the last one free.
///
/// A row of one cell is a remark to the row before it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        Table { rows: vec![headings.iter().map(|heading| Cell::from(*heading)).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        self.rows.push(vec![Cell { text: text.into(), state: None }]);
    }

    pub(crate) fn render(&self, out: &Out) -> String {
        let columns = self.rows[0].len();
        let wide = |column: usize| {
            let cells = self.rows.iter().filter(|row| 1 < row.len());
            let cells = cells.filter_map(|row| row.get(column));
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(wide).collect();
        let lines = self.rows.iter().map(|row| Self::line(row, &widths, out));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn line(row: &[Cell], widths: &[usize], out: &Out) -> String {
        if let [remark] = row {
            let room = out.width().map_or(usize::MAX, |width| width - 2);
            return out.faint(&format!("  {}", line(&remark.text, room)));
        }
        let mut text = String::new();
        let mut used = 0;
        for (at, cell) in row.iter().enumerate() {
            let last = at + 1 == row.len();
            let rest = out.width().map_or(usize::MAX, |width| width.saturating_sub(used).max(20));
            let room = if last { rest } else { widths[at] };
            let shown = line(&cell.text, room);
            let padded = if last { shown } else { format!("{shown:room$}") };
            used += widths[at] + 2;
            text.push_str(&cell.state.map_or(padded.clone(), |state| out.state(state, &padded)));
            if !last {
                text.push_str("  ");
            }
        }
        text.trim_end().to_owned()
    }
}

/// `[######----] 35/59`.
pub(crate) fn bar(done: u64, of: u64) -> String {
    const CELLS: u64 = 30;
    let full = (done.min(of) * CELLS).checked_div(of).unwrap_or(CELLS);
    let mark = |at| if at < full { '#' } else { '-' };
    let cells: String = (0..CELLS).map(mark).collect();
    format!("[{cells}] {}/{of}", done.min(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times are told in one unit that a person can take in.
    #[test]
    fn times_in_words() {
        let now = Timestamp::from_millis(10_000_000_000);
        let before = |seconds: u64| Timestamp::from_millis(10_000_000_000 - seconds * 1_000);
        assert_eq!(ago(now, now), "just now");
        assert_eq!(ago(before(59), now), "59 s ago");
        assert_eq!(ago(before(12 * 60 + 5), now), "12 min ago");
        assert_eq!(ago(before(47 * 3_600), now), "47 h ago");
        assert_eq!(ago(before(9 * 86_400), now), "9 d ago");
        assert_eq!(until(now.after(Duration::from_secs(30)), now), "in 30 s");
        assert_eq!(until(before(1), now), "due");
        assert_eq!(clock(Timestamp::from_millis(1_773_219_600_000)), "09:00:00");
    }

    fn table() -> Table {
        let mut table = Table::new(&["GATE", "STATE", "WHY"]);
        table.row(vec!["relay".into(), Cell::of(GateState::Closed), "x".repeat(200).into()]);
        table.remark("by gatekeeper: one\ntwo");
        table.row(vec!["kind-welcome".into(), Cell::of(GateState::Open), "first".into()]);
        table
    }

    /// Columns line up, and remarks are indented.
    #[test]
    fn tables_line_up() {
        let text = table().render(&Out::new(true));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "GATE          STATE              WHY");
        assert_eq!(lines[1], format!("relay         CLOSED (blocking)  {}", "x".repeat(200)));
        assert_eq!(lines[2], "  by gatekeeper: one");
        assert_eq!(lines[3], "kind-welcome  OPEN (flowing)     first");
    }

    /// On a terminal a state has a colour, and no line is longer than can be read.
    #[test]
    fn tables_fit_a_terminal() {
        let text = table().render(&Out::terminal());
        let long = text.lines().nth(1).unwrap();
        assert!(long.starts_with("relay         \x1b[31mCLOSED (blocking)\x1b[0m  xxx"));
        let shown = long.replace("\x1b[31m", "").replace("\x1b[0m", "");
        assert_eq!(shown.chars().count(), 100);
        assert!(shown.ends_with("x…"));
    }

    /// The bar never overflows, whatever is counted.
    #[test]
    fn bars_fill() {
        assert!(bar(0, 0).starts_with("[##############################] 0/0"));
        assert_eq!(bar(70, 60), format!("[{}] 60/60", "#".repeat(30)));
        assert_eq!(bar(30, 60), format!("[{}{}] 30/60", "#".repeat(15), "-".repeat(15)));
    }
}
