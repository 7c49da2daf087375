//! A process that gives up the network for good.
//!
//! Sockets of other families than local ones are refused by the kernel, to the process and to everything it
//! starts. An io_uring could open one past the filter, so there is none either.

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// The kernel took no filter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// No filter for this processor.
    #[error("no filter of system calls for this processor")]
    DeviceProcessor(#[source] BackendError),
    /// The kernel refused it.
    #[error("the kernel takes no filter of system calls")]
    DeviceKernel(#[source] seccompiler::Error),
}

/// Refuses every socket but local ones (`AF_UNIX`) to the calling thread, and to the threads and programs it
/// starts from now on: opening one fails with "permission denied". There is no way back.
///
/// Call it before the process starts a thread.
///
/// # Errors
/// [`NetworkError`]; the network is as open as before then.
pub fn forbid_network() -> Result<(), NetworkError> {
    let program = filter().map_err(NetworkError::DeviceProcessor)?;
    seccompiler::apply_filter(&program).map_err(NetworkError::DeviceKernel)
}

fn filter() -> Result<BpfProgram, BackendError> {
    let local = u64::from(libc::AF_UNIX.unsigned_abs());
    // The first argument of the call is the family, an int.
    let not_local = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, local)?;
    let rules = [
        (libc::SYS_socket, vec![SeccompRule::new(vec![not_local])?]),
        (libc::SYS_io_uring_setup, Vec::new()),
    ];
    let refused = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    let processor = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules.into(), SeccompAction::Allow, refused, processor)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::ErrorKind,
        net::{TcpListener, UdpSocket},
        os::unix::net::UnixStream,
        process::Command,
        thread,
    };

    #[test]
    fn only_local_sockets_are_left_to_whoever_gave_the_network_up_and_to_what_it_starts() {
        // The filter belongs to the thread, so other tests keep their network.
        let gave_up = thread::spawn(|| {
            UdpSocket::bind("127.0.0.1:0").unwrap();
            forbid_network().unwrap();
            for address in ["127.0.0.1:0", "[::1]:0"] {
                let error = UdpSocket::bind(address).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{address}");
                let error = TcpListener::bind(address).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{address}");
            }
            UnixStream::pair().unwrap();
            let child = thread::spawn(|| UdpSocket::bind("127.0.0.1:0").unwrap_err().kind());
            assert_eq!(child.join().unwrap(), ErrorKind::PermissionDenied);
            let status = Command::new("cat").arg("/proc/self/status").output().unwrap();
            assert!(String::from_utf8_lossy(&status.stdout).contains("Seccomp:\t2"));
        });
        gave_up.join().unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap();
    }

    #[test]
    fn packet_and_netlink_sockets_are_refused_too() {
        let gave_up = thread::spawn(|| {
            use rustix::net::{AddressFamily, SocketType, socket};
            forbid_network().unwrap();
            for family in [AddressFamily::PACKET, AddressFamily::NETLINK] {
                let error = socket(family, SocketType::RAW, None).unwrap_err();
                assert_eq!(error, rustix::io::Errno::ACCESS);
            }
        });
        gave_up.join().unwrap();
    }
}
