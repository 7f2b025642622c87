//! Connections of one kind, dealt to the leaders of a topic's partitions, and the threads that drive them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::committer::CommitLoad;
use super::consumer::ConsumeLoad;
use super::lane::Lane;
use super::producer::ProduceLoad;
use crate::error::ClientError;

/// Counted together.
pub(crate) struct Group {
    pub(super) lanes: Vec<Lane>,
    pub(super) threads: usize,
}

impl Group {
    /// Producers over all partitions, whose leaders are given in their order.
    pub(crate) fn producers(
        load: &ProduceLoad<'_>,
        leaders: &[SocketAddr],
        connections: usize,
        threads: usize,
    ) -> Result<Group, ClientError> {
        let batches = load.batches();
        let dealt = deal(leaders, connections);
        let lane = |(place, (address, partitions)): (usize, &(SocketAddr, Vec<i32>))| {
            load.lane(*address, partitions, &batches, (place, dealt.len())).map(Lane::Producer)
        };
        let lanes = dealt.iter().enumerate().map(lane).collect::<Result<_, _>>()?;
        Ok(Group { lanes, threads })
    }

    /// Consumers of all partitions, whose leaders are given in their order.
    pub(crate) fn consumers(
        load: &ConsumeLoad<'_>,
        leaders: &[SocketAddr],
        connections: usize,
        threads: usize,
    ) -> Result<Group, ClientError> {
        let dealt = deal(leaders, connections);
        let lane = |(address, partitions): &(SocketAddr, Vec<i32>)| {
            load.lane(*address, partitions).map(Lane::Consumer)
        };
        Ok(Group { lanes: dealt.iter().map(lane).collect::<Result<_, _>>()?, threads })
    }

    /// Those who commit for the load's groups, driven by one thread;
    /// there are at least as many groups as connections.
    pub(crate) fn committers(
        load: &CommitLoad<'_>,
        address: SocketAddr,
        connections: usize,
    ) -> Result<Group, ClientError> {
        let lane = |place| load.lane(address, (place, connections)).map(Lane::Producer);
        Ok(Group { lanes: (0..connections).map(lane).collect::<Result<_, _>>()?, threads: 1 })
    }
}

/// Which connection goes where for which partitions: every leader has one at least, and every partition
/// belongs to one; connections beyond the number of partitions share them.
fn deal(leaders: &[SocketAddr], connections: usize) -> Vec<(SocketAddr, Vec<i32>)> {
    let mut led: BTreeMap<SocketAddr, Vec<i32>> = BTreeMap::new();
    for (partition, leader) in (0..).zip(leaders) {
        led.entry(*leader).or_default().push(partition);
    }
    let mut dealt = Vec::new();
    for (place, (leader, partitions)) in led.iter().enumerate() {
        let own = (place..connections.max(led.len())).step_by(led.len()).len();
        for number in 0..own {
            let part = partitions.iter().skip(number % partitions.len()).step_by(own).copied().collect();
            dealt.push((*leader, part));
        }
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn partitions_are_dealt_to_connections_of_their_leaders() {
        let leader = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let cases: [(&[u16], usize, &str); 5] = [
            (&[1, 1, 1, 1, 1, 1], 3, "1:[0, 3] 1:[1, 4] 1:[2, 5]"),
            (&[1, 1], 1, "1:[0, 1]"),
            (&[1, 1], 5, "1:[0] 1:[1] 1:[0] 1:[1] 1:[0]"),
            (&[1, 2, 1, 2], 1, "1:[0, 2] 2:[1, 3]"),
            (&[1, 2, 1, 2], 3, "1:[0] 1:[2] 2:[1, 3]"),
        ];
        for (ports, connections, expected) in cases {
            let leaders: Vec<SocketAddr> = ports.iter().map(|port| leader(*port)).collect();
            let dealt = deal(&leaders, connections);
            let shown: Vec<String> =
                dealt.iter().map(|(address, part)| format!("{}:{part:?}", address.port())).collect();
            assert_eq!(shown.join(" "), expected, "{ports:?} over {connections}");
        }
    }
}
