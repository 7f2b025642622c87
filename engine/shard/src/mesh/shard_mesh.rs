//! How one shard reaches the others: calls, and calls to all owners of some partitions.

use std::rc::Rc;

use millrace_core::base::ids::{PartitionKey, ShardIndex};
use millrace_rt::{Incoming, Mesh};

use crate::counters::Counters;
use crate::mesh::calls::{ShardRequest, ShardResponse};
use crate::mesh::responder::ResponseFuture;
use crate::mesh::table::Call;

/// One shard's end of the mesh. A shard may call itself, too.
pub(crate) struct ShardMesh {
    pub(crate) index: ShardIndex,
    pub(crate) shards: u16,
    mesh: Mesh<ShardRequest, ShardResponse>,
    counters: Rc<Counters>,
}

impl ShardMesh {
    pub(crate) fn new(
        index: ShardIndex,
        shards: u16,
        mesh: Mesh<ShardRequest, ShardResponse>,
        counters: Rc<Counters>,
    ) -> ShardMesh {
        ShardMesh { index, shards, mesh, counters }
    }

    /// The next request to this shard.
    pub(crate) async fn next(&self) -> Incoming<ShardRequest, ShardResponse> {
        self.mesh.next().await
    }

    /// Queues a request; returns once it is in the lane, so that requests of one caller keep their order.
    pub(crate) async fn admit<C>(&self, to: ShardIndex, request: C::Request) -> ResponseFuture<C>
    where
        C: Call<Requests = ShardRequest, Responses = ShardResponse>,
    {
        self.counters.mesh.mesh_asks.increment();
        let reply = match self.mesh.try_admit(to.0, C::request(request)) {
            Ok(reply) => reply,
            Err(request) => {
                self.counters.mesh.mesh_waits.increment();
                self.mesh.admit(to.0, request).await
            }
        };
        ResponseFuture::new(reply)
    }

    pub(crate) async fn call<C>(&self, to: ShardIndex, request: C::Request) -> C::Response
    where
        C: Call<Requests = ShardRequest, Responses = ShardResponse>,
    {
        self.admit::<C>(to, request).await.await
    }

    /// Sends a request whose response nobody waits for.
    pub(crate) fn notify<C>(self: &Rc<Self>, to: ShardIndex, request: C::Request)
    where
        C: Call<Requests = ShardRequest, Responses = ShardResponse>,
    {
        self.counters.mesh.mesh_asks.increment();
        if let Err(request) = self.mesh.try_admit(to.0, C::request(request)) {
            self.counters.mesh.mesh_waits.increment();
            let mesh = Rc::clone(self);
            millrace_rt::spawn(async move { drop(mesh.mesh.admit(to.0, request).await) });
        }
    }

    /// Which places of a list each shard owns; in the order in which the owners first appear.
    pub(crate) fn by_owner(&self, keys: impl Iterator<Item = PartitionKey>) -> Vec<(ShardIndex, Vec<usize>)> {
        let mut groups: Vec<(ShardIndex, Vec<usize>)> = Vec::new();
        for (place, key) in keys.enumerate() {
            let owner = key.owner(self.shards);
            match groups.iter_mut().find(|(shard, _)| *shard == owner) {
                Some((_, places)) => places.push(place),
                None => groups.push((owner, vec![place])),
            }
        }
        groups
    }

    /// Calls the owners of some partitions, one after another, and returns their results in the order of
    /// `requests`: `own` gives those of the partitions of this shard.
    ///
    /// Dropping the future leaves to an owner what it was asked, and asks no other.
    pub(crate) async fn gather<C, A, T>(
        &self,
        requests: &[A],
        key: impl Fn(&A) -> PartitionKey,
        own: impl AsyncFn(Vec<A>) -> Vec<T>,
    ) -> Vec<T>
    where
        C: Call<Requests = ShardRequest, Responses = ShardResponse, Request = Vec<A>, Response = Vec<T>>,
        A: Copy,
    {
        let mut found: Vec<(usize, T)> = Vec::with_capacity(requests.len());
        for (owner, places) in self.by_owner(requests.iter().map(key)) {
            let owned: Vec<A> = places.iter().map(|&place| requests[place]).collect();
            let results = match owner == self.index {
                true => own(owned).await,
                false => self.call::<C>(owner, owned).await,
            };
            assert_eq!(results.len(), places.len(), "an owner responds to each request");
            found.extend(places.into_iter().zip(results));
        }
        found.sort_unstable_by_key(|(place, _)| *place);
        found.into_iter().map(|(_, result)| result).collect()
    }
}
