use std::time::Duration;

/// A whole number and a unit: `500ms`, `30s`, `10m`, `1h`, `2d`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// A number from 0 to 1 with at most three digits behind the point, in thousandths.
pub(crate) fn parse_permille(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || 3 < part.len() {
        return None;
    }
    let part: u32 = format!("{part:0<3}").parse().ok()?;
    let whole: u32 = whole.parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(part).filter(|permille| *permille <= 1_000)
}

/// Thousandths as the file spells them.
pub(crate) fn spell_permille(permille: u32) -> String {
    let text = format!("{}.{:03}", permille / 1_000, permille % 1_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

/// A duration as the file spells it, in the greatest unit that divides it.
pub(crate) fn spell_duration(time: Duration) -> String {
    let millis = time.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.into_iter().find(|(unit, _)| millis != 0 && millis.is_multiple_of(*unit));
    match whole {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None if millis == 0 => "0s".to_owned(),
        None => format!("{millis}ms"),
    }
}

/// The known word that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    let measured = known.into_iter().map(|known| (distance(word, known), known));
    let (distance, found) = measured.min_by_key(|(distance, _)| *distance)?;
    (distance <= allowed).then_some(found)
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for (at, letter) in left.iter().enumerate() {
        let mut row = vec![at + 1];
        for (to, other) in right.iter().enumerate() {
            let replaced = rows[at][to] + usize::from(letter != other);
            let mut best = replaced.min(rows[at][to + 1] + 1).min(row[to] + 1);
            let swapped = 0 < at && 0 < to && *letter == right[to - 1] && left[at - 1] == *other;
            if swapped {
                best = best.min(rows[at - 1][to - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is spelled reads back as the same time; what is no duration is none.
    #[test]
    fn durations_read_back() {
        for text in ["1ms", "1500ms", "30s", "10m", "1h", "36h", "2d", "0s"] {
            assert_eq!(spell_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_duration("60m"), parse_duration("1h"));
        for text in ["", "30", "30x", "s", "-1s", "1.5s", "1 s", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }

    /// What is spelled reads back as the same part of one; what is no part of one is none.
    #[test]
    fn shares_read_back() {
        for (text, permille) in [("0.2", 200), ("0.0", 0), ("1.0", 1_000), ("0.125", 125)] {
            assert_eq!(parse_permille(text), Some(permille));
            assert_eq!(spell_permille(permille), text);
        }
        assert_eq!((parse_permille("1"), parse_permille("0.20")), (Some(1_000), Some(200)));
        for text in ["", ".2", "1.1", "-0.1", "0.1234", "2e-1", "inf", "99999999999"] {
            assert_eq!(parse_permille(text), None, "{text:?}");
        }
    }

    /// A slip is recognised, a different word is not.
    #[test]
    fn nearest_word() {
        let known = ["attempts", "rest", "rest_max", "relay"];
        assert_eq!(nearest("atempts", known), Some("attempts"));
        assert_eq!(nearest("relya", known), Some("relay"));
        assert_eq!(nearest("restmax", known), Some("rest_max"));
        assert_eq!(nearest("concurrency", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
