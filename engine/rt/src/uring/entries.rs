//! Turns an operation into the submission entry that the kernel reads.
#![allow(unsafe_code)]
// `unsafe` here: entries carry raw addresses. They point into memory that the operation owns (blocks, frozen
// bytes, boxed headers), whose addresses do not change while the operation sits in its slot until completion.

use std::os::fd::{AsRawFd, RawFd};

use io_uring::squeue::Entry;
use io_uring::{opcode, types};

use crate::submission::operation::{FileHandle, Gather, Operation, Pieces, SocketHandle, Sync};

/// The most pieces that one vectored call takes (IOV_MAX).
const PIECES_PER_CALL: usize = 1024;
/// The most bytes that one read or write takes; the kernel's own limit is just below 2 GiB.
const BYTES_PER_CALL: usize = 1 << 30;

/// None: the operation is not one of the ring's.
pub(crate) fn entry_of(operation: &mut Operation) -> Option<Entry> {
    match operation {
        Operation::Read { file, at, block, len } => {
            let count = length_of((*len).min(block.capacity()));
            Some(opcode::Read::new(file_fd(file), block.pointer(), count).offset(*at).build())
        }
        Operation::Write { file, at, pieces, sync } => Some(write_entry(file_fd(file), *at, pieces, *sync)),
        Operation::SyncData { file } => {
            Some(opcode::Fsync::new(file_fd(file)).flags(types::FsyncFlags::DATASYNC).build())
        }
        Operation::Allocate { file, at, len } => Some(
            opcode::Fallocate::new(file_fd(file), *len).offset(*at).mode(libc::FALLOC_FL_KEEP_SIZE).build(),
        ),
        Operation::Recv { socket, block, from } => {
            assert!(*from < block.capacity(), "a receive needs room");
            let count = length_of(block.capacity() - *from);
            // SAFETY: `from` lies inside the block.
            let target = unsafe { block.pointer().add(*from) };
            Some(opcode::Recv::new(socket_fd(socket), target, count).build())
        }
        Operation::Send { socket, pieces } => Some(send_entry(socket_fd(socket), pieces)),
        Operation::Accept { listener } => Some(
            opcode::Accept::new(socket_fd(listener), std::ptr::null_mut(), std::ptr::null_mut())
                .flags(libc::SOCK_CLOEXEC)
                .build(),
        ),
        Operation::Connect { socket: Some(socket), address, .. } => {
            Some(opcode::Connect::new(socket_fd(socket), address.as_ptr().cast(), address.len()).build())
        }
        Operation::Connect { socket: None, .. } | Operation::Disk(_) | Operation::Outside => None,
    }
}

pub(crate) fn raw_file_fd(handle: &FileHandle) -> RawFd {
    match handle {
        FileHandle::Uring(fd) => fd.as_raw_fd(),
        FileHandle::World(_) => panic!("a simulated file reached the real kernel"),
    }
}

pub(crate) fn raw_socket_fd(handle: &SocketHandle) -> RawFd {
    match handle {
        SocketHandle::Uring(fd) => fd.as_raw_fd(),
        SocketHandle::World(_) => panic!("a simulated socket reached the real kernel"),
    }
}

fn file_fd(handle: &FileHandle) -> types::Fd {
    types::Fd(raw_file_fd(handle))
}

fn socket_fd(handle: &SocketHandle) -> types::Fd {
    types::Fd(raw_socket_fd(handle))
}

fn length_of(bytes: usize) -> u32 {
    u32::try_from(bytes.min(BYTES_PER_CALL)).unwrap_or(u32::MAX)
}

fn write_entry(fd: types::Fd, at: u64, pieces: &mut Pieces, sync: Sync) -> Entry {
    let flags = match sync {
        Sync::None => 0,
        Sync::Dsync => libc::RWF_DSYNC,
    };
    if let [only] = pieces.remaining() {
        return opcode::Write::new(fd, only.as_ptr(), length_of(only.len()))
            .offset(at)
            .rw_flags(flags)
            .build();
    }
    let count = gather(pieces);
    let vectors = pieces.gather.vectors.as_ptr();
    opcode::Writev::new(fd, vectors, count).offset(at).rw_flags(flags).build()
}

fn send_entry(fd: types::Fd, pieces: &mut Pieces) -> Entry {
    // WAITALL: the kernel itself goes on after a short send.
    let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
    if let [only] = pieces.remaining() {
        return opcode::Send::new(fd, only.as_ptr(), length_of(only.len())).flags(flags).build();
    }
    let count = gather(pieces);
    // SAFETY: all zero is a valid `msghdr`: no name, no control data.
    let mut header: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
    header.msg_iov = pieces.gather.vectors.as_mut_ptr();
    header.msg_iovlen = count as usize;
    let address: *const libc::msghdr = &raw const *header;
    pieces.gather.header = Some(header);
    opcode::SendMsg::new(fd, address).flags(flags.unsigned_abs()).build()
}

/// Fills the kernel's vectors; returns how many there are.
fn gather(pieces: &mut Pieces) -> u32 {
    let mut vectors = Vec::with_capacity(pieces.remaining().len().min(PIECES_PER_CALL));
    for piece in pieces.remaining().iter().take(PIECES_PER_CALL) {
        vectors.push(libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() });
    }
    let count = length_of(vectors.len());
    pieces.gather = Gather { vectors, header: None };
    count
}
