use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::hidden::Hidden;

/// The end of what was printed, and how much that was; the rest was read and let go.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    max: usize,
    pub(super) total: u64,
}

impl Kept {
    pub(super) const fn new(max: usize) -> Self {
        Kept { bytes: Vec::new(), max, total: 0 }
    }

    /// Reads until the other end is closed, however much comes.
    pub(super) async fn fill(&mut self, from: Option<impl AsyncRead + Unpin>) {
        let Some(mut from) = from else { return };
        let mut chunk = vec![0; 16 * 1024];
        loop {
            match from.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(count) => self.take(&chunk[..count]),
            }
        }
    }

    fn take(&mut self, printed: &[u8]) {
        self.total = self.total.saturating_add(printed.len() as u64);
        self.bytes.extend_from_slice(printed);
        // Let go now and then, not with each byte.
        if self.max.saturating_mul(2) < self.bytes.len() {
            self.bytes.drain(..self.bytes.len() - self.max);
        }
    }

    /// At most `max` bytes.
    pub(super) fn end(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(self.max)..]
    }

    /// The end as text, without what is hidden.
    pub(super) fn text(&self, hidden: &Hidden) -> String {
        hidden.hide(&String::from_utf8_lossy(self.end()), self.whole().is_none())
    }

    /// Everything, if it was no more than `max`.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        let fits = usize::try_from(self.total).is_ok_and(|total| total <= self.max);
        fits.then_some(self.bytes.as_slice())
    }

    /// The last line that is not blank, if all of it was kept.
    pub(super) fn last_line(&self) -> Option<&[u8]> {
        let end = self.end().trim_ascii_end();
        match end.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => Some(&end[at + 1..]),
            None => self.whole().map(<[u8]>::trim_ascii),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(max: usize, printed: &[&str]) -> Kept {
        let mut kept = Kept::new(max);
        printed.iter().for_each(|text| kept.take(text.as_bytes()));
        kept
    }

    /// Whatever comes, no more than twice the bound is held, and the end is there.
    #[test]
    fn keeps_the_end() {
        let flood = vec!["0123456789"; 1_000];
        let kept = kept(16, &flood);
        assert_eq!((kept.total, kept.end()), (10_000, b"4567890123456789".as_slice()));
        assert!(kept.bytes.len() <= 32 && kept.whole().is_none());
    }

    /// The last line is the answer of a command that has said other things before; half a
    /// line is none.
    #[test]
    fn finds_the_last_line() {
        let last = |max, text| kept(max, &[text]).last_line().map(<[u8]>::to_vec);
        assert_eq!(last(99, "working\n{}\n\n").as_deref(), Some(b"{}".as_slice()));
        assert_eq!(last(99, " {} ").as_deref(), Some(b"{}".as_slice()));
        assert_eq!(last(99, "").as_deref(), Some(b"".as_slice()));
        assert_eq!(last(4, "xxxxxxxx\n{}\n").as_deref(), Some(b"{}".as_slice()));
        assert_eq!(last(4, "xxxxxxxx"), None);
    }
}
