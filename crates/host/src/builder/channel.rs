//! Messages between the control plane and its processes, over a pair of sockets that nobody else can name.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// One end of a private line. Messages are JSON or plain bytes, and may carry descriptors.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// Two ends: one to keep, and one to hand to a process as a standard descriptor.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = Self::ends()?;
        Ok((Self(ours), theirs))
    }

    /// Two ends to hand to two processes.
    pub(super) fn ends() -> io::Result<(OwnedFd, OwnedFd)> {
        let ends = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        );
        Ok(ends?)
    }

    /// The end that this process was given as its standard input.
    pub(super) fn inherited() -> io::Result<Self> {
        Self::copy_of(io::stdin().as_fd())
    }

    /// The end that this process was given as its standard output.
    pub(super) fn inherited_second() -> io::Result<Self> {
        Self::copy_of(io::stdout().as_fd())
    }

    fn copy_of(end: BorrowedFd<'_>) -> io::Result<Self> {
        end.try_clone_to_owned().map(Self)
    }

    /// Tells the other end that nothing more will come.
    pub(super) fn finish(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.0, Shutdown::Write)?)
    }

    pub(super) fn send<T: Serialize>(&self, message: &T) -> io::Result<()> {
        self.send_with(message, &[])
    }

    pub(super) fn send_with<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.send_bytes(&serde_json::to_vec(message)?, descriptors)
    }

    /// The next message, or nothing when the other end is gone.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        Ok(self.receive_with()?.map(|(message, _)| message))
    }

    pub(super) fn receive_with<T: DeserializeOwned>(
        &self,
    ) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let Some((bytes, descriptors)) = self.receive_bytes()? else {
            return Ok(None);
        };
        Ok(Some((serde_json::from_slice(&bytes)?, descriptors)))
    }

    /// The first packet starts with the length of the whole; descriptors ride on it.
    pub(super) fn send_bytes(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let length = length.to_be_bytes();
        let (first, rest) = bytes.split_at(bytes.len().min(PACKET_SIZE_BYTES));
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(io::Error::other("too many descriptors for one message"));
        }
        let parts = [IoSlice::new(&length), IoSlice::new(first)];
        rustix::net::sendmsg(&self.0, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
        for piece in rest.chunks(PACKET_SIZE_BYTES) {
            rustix::net::send(&self.0, piece, SendFlags::NOSIGNAL)?;
        }
        Ok(())
    }

    /// The bytes may be a key, so they are wiped when dropped.
    pub(super) fn receive_bytes(&self) -> io::Result<Option<Received>> {
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        let mut packet = Zeroizing::new(vec![0; PACKET_SIZE_BYTES + LENGTH_SIZE_BYTES]);
        let (filled, descriptors) = self.receive_packet(&mut packet)?;
        if filled == 0 {
            return Ok(None);
        }
        let received = packet.get(..filled).ok_or_else(broken)?;
        let (length, first) = received
            .split_first_chunk::<LENGTH_SIZE_BYTES>()
            .ok_or_else(broken)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(io::Error::other)?;
        if length > MESSAGE_SIZE_BYTES_MAX {
            return Err(broken());
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(first);
        while bytes.len() < length {
            let (filled, _) = self.receive_packet(&mut packet)?;
            if filled == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend_from_slice(packet.get(..filled).ok_or_else(broken)?);
        }
        if bytes.len() == length {
            Ok(Some((bytes, descriptors)))
        } else {
            Err(broken())
        }
    }

    fn receive_packet(&self, packet: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(packet)];
            match rustix::net::recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
            {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::CONNRESET) => return Ok((0, Vec::new())),
                received => break received?,
            }
        };
        let descriptors = ancillary
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            })
            .flatten()
            .collect();
        Ok((received.bytes, descriptors))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Bytes, and the descriptors that rode on them.
type Received = (Zeroizing<Vec<u8>>, Vec<OwnedFd>);

const PACKET_SIZE_BYTES: usize = 64 * 1024;
const LENGTH_SIZE_BYTES: usize = 4;
const MESSAGE_SIZE_BYTES_MAX: usize = 64 << 20;
const DESCRIPTORS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_messages_of_any_size_and_descriptors() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel(theirs);
        for size in [
            0,
            1,
            PACKET_SIZE_BYTES,
            PACKET_SIZE_BYTES + 1,
            3 * PACKET_SIZE_BYTES + 7,
        ] {
            let sent = vec![7; size];
            std::thread::scope(|scope| {
                scope.spawn(|| ours.send_bytes(&sent, &[io::stderr().as_fd()]).unwrap());
                let (got, descriptors) = theirs.receive_bytes().unwrap().unwrap();
                assert_eq!((&*got, descriptors.len()), (&sent, 1));
            });
        }
        drop(ours);
        assert!(theirs.receive_bytes().unwrap().is_none());
    }

    #[test]
    fn a_message_longer_than_it_said_is_refused() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel(theirs);
        rustix::net::send(&ours.0, &[0, 0, 0, 1, 8, 8], SendFlags::NOSIGNAL).unwrap();
        assert!(theirs.receive_bytes().is_err());
        rustix::net::send(&ours.0, &[0xff, 0xff, 0xff, 0xff, 8], SendFlags::NOSIGNAL).unwrap();
        assert!(theirs.receive_bytes().is_err());
    }
}
