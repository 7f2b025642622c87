//! Groups, metadata and the handlers of requests, put together.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::compose::base::Base;
use crate::compose::checkpoints::Checkpoints;
use crate::compose::log_path::LogPath;
use crate::compose::reads::Reads;
use crate::device::shares::{GROUP_BYTES_MIN, GROUP_PARTS};
use crate::files::space_watch::SpaceWatch;
use crate::groups::coordinators::{Groups, group_settings};
use crate::groups::host::GroupHost;
use crate::mesh::arrivals::Arrivals;
use crate::mesh::waiting::WaitingLanes;
use crate::metadata::changes::MetadataChanges;
use crate::metadata::first_files::FirstFiles;
use crate::metadata::follower::ImageFollower;
use crate::metadata::log::MetadataLog;
use crate::metadata::removal::TopicRemoval;
use crate::recovery::engine::Facts;
use crate::serve::handlers::RequestHandlers;

pub(super) fn groups(base: &Base, facts: &Facts, log: &LogPath, reads: &Reads) -> Rc<GroupHost> {
    let settings = group_settings(&base.config, &facts.image);
    let bytes_max = base.part(GROUP_PARTS).max(GROUP_BYTES_MIN);
    Rc::new(GroupHost {
        groups: Groups::new(settings, &facts.image, bytes_max),
        table: Rc::clone(&base.partitions.table),
        image: Rc::clone(&base.image),
        reader: Rc::clone(&reads.reader),
        admission: Rc::clone(&log.admission),
        planted: base.planted,
    })
}

pub(super) fn metadata(
    base: &Base,
    metadata_log: Option<MetadataLog>,
    log: &LogPath,
    (groups, first_files, space_watch): (&Rc<GroupHost>, &Rc<FirstFiles>, &Rc<SpaceWatch>),
) -> Rc<MetadataChanges> {
    let removal = TopicRemoval {
        table: Rc::clone(&base.partitions.table),
        flusher: Rc::clone(&log.flusher),
        files: Rc::clone(&base.disk.files),
        deletion: Rc::clone(&base.disk.deletion),
        planted: base.planted,
        fatal: base.fatal(),
    };
    let follower = ImageFollower {
        index: base.index,
        shards: base.shards(),
        config: Arc::clone(&base.config),
        image: Rc::clone(&base.image),
        table: Rc::clone(&base.partitions.table),
        groups: Rc::clone(groups),
        first_files: Rc::clone(first_files),
        removal,
        space_watch: Rc::clone(space_watch),
    };
    Rc::new(MetadataChanges {
        mesh: Rc::clone(&base.mesh),
        config: Arc::clone(&base.config),
        image: Rc::clone(&base.image),
        log: metadata_log,
        follower,
        space_watch: Rc::clone(space_watch),
        producer_ids: RefCell::new(0..0),
        planted: base.planted,
        fatal: base.fatal(),
    })
}

pub(super) fn handlers(
    base: &Base,
    waiting: &Rc<WaitingLanes>,
    log: &LogPath,
    reads: &Reads,
    (checkpoints, groups, metadata): (&Checkpoints, &Rc<GroupHost>, &Rc<MetadataChanges>),
) -> Rc<RequestHandlers> {
    Rc::new(RequestHandlers {
        mesh: Rc::clone(&base.mesh),
        waiting: Rc::clone(waiting),
        arrivals: Rc::<Arrivals>::default(),
        admission: Rc::clone(&log.admission),
        purgatory: Rc::clone(&base.partitions.purgatory),
        reader: Rc::clone(&reads.reader),
        queries: Rc::clone(&reads.queries),
        starts: Rc::clone(&checkpoints.log_starts),
        groups: Rc::clone(groups),
        metadata: Rc::clone(metadata),
    })
}
