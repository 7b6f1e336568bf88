//! Which server to connect to, and when.
//!
//! Servers take turns, and a connection that ended never leads back to the server it was
//! with while there is another: that one may be cut off from the rest of its cluster and
//! still take clients. Where to begin is drawn, so that the services of a fleet spread over
//! the servers. Between tries lies so little that an outage costs hardly more than it lasts.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_nats::{ReconnectToServer, Server};

/// Gives the servers their turns. One for each connection.
#[derive(Debug)]
pub(crate) struct Turns {
    next: AtomicUsize,
}

/// The longest pause between two tries: a small part of any lease.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// The longest before the first: a server that comes back is not met by all at once.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

impl Turns {
    pub(crate) fn new() -> Self {
        Turns { next: AtomicUsize::new(fastrand::usize(..1_000)) }
    }

    /// The server whose turn it is; the pause is [`pause`]'s to say.
    pub(crate) fn choose(&self, pool: &[Server]) -> Option<ReconnectToServer> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let server = pool.get(turn.checked_rem(pool.len())?)?;
        Some(ReconnectToServer { addr: server.addr.clone(), delay: None })
    }
}

/// How long to wait before the so-manieth try since a connection last stood, by a `draw`
/// from 0 to 1.
pub(crate) fn pause(attempt: usize, draw: f64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (PAUSE_FIRST * 2_u32.pow(doublings)).min(PAUSE_MAX).mul_f64(draw.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(names: &[&str]) -> Vec<Server> {
        let server = |name: &&str| Server {
            addr: name.parse().unwrap(),
            failed_attempts: 0,
            did_connect: false,
            is_discovered: false,
            last_error: None,
        };
        names.iter().map(server).collect()
    }

    /// Every server gets its turn, and none twice in a row while there is another.
    #[test]
    fn servers_take_turns() {
        let (pool, turns) = (pool(&["a", "b", "c"]), Turns::new());
        let chosen: Vec<_> = (0..6).map(|_| turns.choose(&pool).unwrap().addr).collect();
        assert!(pool.iter().all(|server| chosen[..3].contains(&server.addr)), "{chosen:?}");
        assert_eq!(chosen[..3], chosen[3..]);
        assert!(turns.choose(&[]).is_none());
    }

    /// No pause is longer than half a second, however long the outage lasts.
    #[test]
    fn pauses_stay_short() {
        let longest = |attempt| pause(attempt, 1.0).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 6, 1_000].map(longest), [50, 100, 200, 400, 500, 500, 500]);
        assert_eq!(pause(9, 0.0), Duration::ZERO);
        assert_eq!(pause(usize::MAX, 0.5), PAUSE_MAX / 2);
    }
}
