//! The wires between the nodes of a cluster: each leads through this process, where it can be
//! cut and mended without any right over the machine's network.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// One wire for each ordered pair of nodes. Gone when dropped.
pub(super) struct Ways {
    /// Which nodes are cut off.
    cut: watch::Sender<Vec<bool>>,
    ways: Vec<Way>,
}

struct Way {
    from: usize,
    to: usize,
    /// Where `from` finds `to`.
    door: SocketAddr,
    carrying: JoinHandle<()>,
}

impl Ways {
    /// Wires between nodes whose routes listen on these ports.
    pub(super) async fn between(ports: &[u16]) -> Ways {
        let cut = watch::Sender::new(vec![false; ports.len()]);
        let mut ways = Vec::new();
        for from in 0..ports.len() {
            for to in (0..ports.len()).filter(|to| *to != from) {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let door = listener.local_addr().unwrap();
                let target = SocketAddr::from(([127, 0, 0, 1], ports[to]));
                let carrying = tokio::spawn(carry(listener, target, cut.subscribe(), [from, to]));
                ways.push(Way { from, to, door, carrying });
            }
        }
        Ways { cut, ways }
    }

    /// Where `from` finds the other nodes.
    pub(super) fn doors(&self, from: usize) -> impl Iterator<Item = SocketAddr> {
        self.ways.iter().filter(move |way| way.from == from).map(|way| way.door)
    }

    /// Cuts every wire of a node, or mends them.
    pub(super) fn cut(&self, node: usize, cut: bool) {
        self.cut.send_modify(|nodes| nodes[node] = cut);
    }
}

impl Drop for Ways {
    fn drop(&mut self) {
        for way in &self.ways {
            debug_assert_ne!(way.from, way.to);
            way.carrying.abort();
        }
    }
}

/// Carries every connection that comes in, until one of the two ends is cut off.
async fn carry(
    listener: TcpListener,
    target: SocketAddr,
    cut: watch::Receiver<Vec<bool>>,
    ends: [usize; 2],
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let mut cut = cut.clone();
        let is_cut = move |cut: &Vec<bool>| ends.iter().any(|end| cut[*end]);
        connections.spawn(async move {
            let carried = async {
                let Ok(mut far) = TcpStream::connect(target).await else { return };
                let _ = near.set_nodelay(true);
                let _ = far.set_nodelay(true);
                let _ = copy_bidirectional(&mut near, &mut far).await;
            };
            tokio::select! {
                biased;
                _ = cut.wait_for(is_cut) => (),
                () = carried => (),
            }
        });
    }
}
