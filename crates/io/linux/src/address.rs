//! Socket addresses of families the standard library has no type for.

use std::io;
use std::mem;

use socket2::{SockAddr, SockAddrStorage};

/// Everything of this protocol that arrives on the interface.
pub(crate) fn packet(ethertype: u16, index: u32) -> io::Result<SockAddr> {
    let index = i32::try_from(index).map_err(io::Error::other)?;
    let mut storage = SockAddrStorage::zeroed();
    {
        // SAFETY: sockaddr_ll is one of the platform's sockaddr types and valid for any bit pattern.
        #[expect(unsafe_code, reason = "no safe constructor exists for packet addresses")]
        let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
        address.sll_family = family(libc::AF_PACKET)?;
        address.sll_protocol = ethertype.to_be();
        address.sll_ifindex = index;
    }
    finish::<libc::sockaddr_ll>(storage)
}

/// The kernel's routing socket; `groups` are the notifications to get.
pub(crate) fn netlink(groups: u32) -> io::Result<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    {
        // SAFETY: sockaddr_nl is one of the platform's sockaddr types and valid for any bit pattern.
        #[expect(unsafe_code, reason = "no safe constructor exists for netlink addresses")]
        let address = unsafe { storage.view_as::<libc::sockaddr_nl>() };
        address.nl_family = family(libc::AF_NETLINK)?;
        address.nl_groups = groups;
    }
    finish::<libc::sockaddr_nl>(storage)
}

fn family(family: libc::c_int) -> io::Result<libc::sa_family_t> {
    libc::sa_family_t::try_from(family).map_err(io::Error::other)
}

fn finish<T>(storage: SockAddrStorage) -> io::Result<SockAddr> {
    let length = libc::socklen_t::try_from(mem::size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the storage was zeroed and then initialised as the `T` whose length is given.
    #[expect(unsafe_code, reason = "completes the two addresses above")]
    let address = unsafe { SockAddr::new(storage, length) };
    Ok(address)
}
