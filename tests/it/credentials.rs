//! Credentials on a real bus: dispatchers' keyrings, files that change, a provider that refuses.

mod bench;
mod by_hand;
mod fleet;
mod refresh;
