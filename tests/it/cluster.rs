//! What holds on three nodes while one of them is killed, frozen or cut off. Always on three
//! nodes, whatever NODES says.

mod beats;
mod fence;
mod gates;
mod judge;
mod load;
mod nodes;
mod wires;

/// A quorum is two of them.
const NODES: usize = 3;
