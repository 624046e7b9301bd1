//! The TUN device of a namespace, and its configuration by netlink (rtnetlink(7)).

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::{ffi, io};

use anyhow::{Context, bail};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::Unavailable;

/// The largest packet that a device carries.
pub(super) const MTU: usize = 1_500;

/// The packets that a device keeps until the relay reads them. The kernel drops what exceeds it. The default of 500 is
/// less than a notification to a thousand clients.
const QUEUE: u32 = 1 << 17;

const NAME: &str = "tidings";
const ADDRESS: &str = "failed to give the network device an address";

/// A TUN device, whose file yields and accepts one IP packet with each call and never blocks.
#[derive(Debug)]
pub(super) struct Device(OwnedFd);

impl Device {
    /// Makes the device in the namespace of the calling thread, and starts it and the loopback device.
    pub(super) fn open(addresses: &[Ipv4Addr]) -> anyhow::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open("/dev/net/tun", flags, Mode::empty())
            .map_err(|error| Unavailable::new("/dev/net/tun", error))?;
        attach(&file)
            .map_err(|error| Unavailable::new("TUN devices, which only root can make", error))?;

        let netlink = Netlink::open().context("failed to open a netlink socket")?;
        netlink.start("lo", &[]).context("failed to start the loopback device")?;
        let index = netlink.index(NAME)?;
        for address in addresses {
            netlink.add_address(index, *address).context(ADDRESS)?;
        }
        let attributes = [(IFLA_MTU, MTU as u32), (IFLA_TXQLEN, QUEUE)];
        netlink.start(NAME, &attributes).context("failed to start the network device")?;
        Ok(Self(file))
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Makes the file a TUN device without packet information and without offloads.
fn attach(file: &OwnedFd) -> io::Result<()> {
    const TUNSETIFF: Opcode = opcode::write::<ffi::c_int>(b'T', 202);
    const IFF_TUN: u16 = 0x0001;
    const IFF_NO_PI: u16 = 0x1000;
    // The kernel's `struct ifreq`: a name of 16 bytes and a union of 24 bytes, which begins with the flags.
    let mut request = [0; 40];
    request[..NAME.len()].copy_from_slice(NAME.as_bytes());
    request[16..18].copy_from_slice(&(IFF_TUN | IFF_NO_PI).to_ne_bytes());
    // SAFETY: the kernel reads and writes a `struct ifreq`, which has the size of the request.
    #[expect(unsafe_code, reason = "no crate in use has a safe call for TUN devices")]
    unsafe {
        ioctl(file, Updater::<TUNSETIFF, [u8; 40]>::new(&mut request))?;
    }
    Ok(())
}

/// Returns the number of packets that the device did not accept for sending, from the text of `/proc/net/dev`. The first
/// eight numbers of a line are of receiving. The fourth number of each direction is that of dropped packets.
pub(super) fn dropped(devices: &str) -> Option<u64> {
    let numbers =
        devices.lines().find_map(|line| line.trim().strip_prefix(NAME)?.strip_prefix(':'));
    numbers?.split_whitespace().nth(8 + 3)?.parse().ok()
}

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const IFLA_MTU: u16 = 4;
const IFLA_TXQLEN: u16 = 13;
const IFA_LOCAL: u16 = 2;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;

/// All addresses of both namespaces are in one subnet, so that each side has a route to the other.
const PREFIX: u8 = 24;

/// A socket for the configuration of the network of a namespace.
struct Netlink(OwnedFd);

impl Netlink {
    fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        // Without a protocol, it is `NETLINK_ROUTE`.
        let socket =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        Ok(Self(socket))
    }

    fn index(&self, device: &str) -> anyhow::Result<u32> {
        name_to_index(&self.0, device).with_context(|| format!("no network device `{device}`"))
    }

    /// Sets attributes of a device and starts it.
    fn start(&self, device: &str, attributes: &[(u16, u32)]) -> anyhow::Result<()> {
        // `struct ifinfomsg`: family, type, index, flags, and the flags that change.
        let mut body = vec![0; 4];
        for field in [self.index(device)?, IFF_UP, IFF_UP] {
            body.extend(field.to_ne_bytes());
        }
        for (kind, value) in attributes {
            body.extend(attribute(*kind, value.to_ne_bytes()));
        }
        self.request(RTM_NEWLINK, 0, &body)
    }

    fn add_address(&self, index: u32, address: Ipv4Addr) -> anyhow::Result<()> {
        // `struct ifaddrmsg`: family, length of the prefix, flags, scope and index.
        let mut body = vec![AF_INET, PREFIX, 0, 0];
        body.extend(index.to_ne_bytes());
        body.extend(attribute(IFA_LOCAL, address.octets()));
        self.request(RTM_NEWADDR, NLM_F_CREATE, &body)
    }

    /// Sends a request and waits for the kernel's answer, which comes at once.
    fn request(&self, kind: u16, flags: u16, body: &[u8]) -> anyhow::Result<()> {
        // `struct nlmsghdr`: length, type, flags, sequence number and port.
        let mut message = u32::try_from(16 + body.len())?.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend((NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        rustix::net::send(&self.0, &message, SendFlags::empty())?;

        // `struct nlmsgerr`: a header as above, and the negative error number or 0.
        let mut answer = [0; 1_024];
        let (length, _) = rustix::net::recv(&self.0, &mut answer, RecvFlags::empty())?;
        match answer[..length] {
            [_, _, _, _, k0, k1, ..] if u16::from_ne_bytes([k0, k1]) != NLMSG_ERROR => {
                bail!("unexpected answer of netlink: {:?}", &answer[..length])
            }
            [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, e0, e1, e2, e3, ..] => {
                match i32::from_ne_bytes([e0, e1, e2, e3]) {
                    0 => Ok(()),
                    error => Err(Errno::from_raw_os_error(-error).into()),
                }
            }
            _ => bail!("short answer of netlink: {:?}", &answer[..length]),
        }
    }
}

/// Returns a `struct rtattr` with a value of four bytes.
fn attribute(kind: u16, value: [u8; 4]) -> [u8; 8] {
    let ([l0, l1], [k0, k1], [v0, v1, v2, v3]) = (8_u16.to_ne_bytes(), kind.to_ne_bytes(), value);
    [l0, l1, k0, k1, v0, v1, v2, v3]
}
