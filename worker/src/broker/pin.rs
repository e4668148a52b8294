//! Which addresses a packet may reach: public ones. Pure, so that every kind can be listed in a test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One of the addresses that a name has, when all of them are public: a name that is both is not to be trusted.
pub(super) fn pinned(addresses: &[IpAddr]) -> Result<IpAddr, &'static str> {
    if let Some(reason) = addresses.iter().find_map(|address| refusal(*address)) {
        return Err(reason);
    }
    addresses.first().copied().ok_or("the name has no address")
}

/// Why not; nothing when it is public.
fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => refusal_v6(address),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    let reserved = a == 0
        || a >= 240
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113);
    let kinds = [
        (address.is_loopback(), "the address is this machine's own"),
        (address.is_link_local(), "the address is link-local, where metadata services are"),
        (address.is_private() || (a == 100 && (64..128).contains(&b)), "the address is private"),
        // Reachable from anywhere, and yet the metadata service of one cloud.
        (address == Ipv4Addr::new(168, 63, 129, 16), "the address is a metadata service"),
        (address.is_multicast(), "the address is multicast"),
        (reserved, "the address is reserved"),
    ];
    kinds.into_iter().find(|(is, _)| *is).map(|(_, reason)| reason)
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [first, second, third, fourth, fifth, sixth, _, _] = address.segments();
    // An IPv4 address in any of the forms that a network could translate back.
    let embeds = (first == 0 && second == 0 && third == 0 && fourth == 0 && fifth == 0 && matches!(sixth, 0 | 0xffff))
        || (first == 0x64 && second == 0xff9b)
        || first == 0x2002
        || (first == 0x2001 && second == 0);
    let kinds = [
        (address.is_loopback() || address.is_unspecified(), "the address is this machine's own"),
        (embeds, "the address holds an IPv4 address"),
        (first & 0xffc0 == 0xfe80, "the address is link-local, where metadata services are"),
        (first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0, "the address is private"),
        (first & 0xff00 == 0xff00, "the address is multicast"),
        // Only this block is handed out for the public.
        (first & 0xe000 != 0x2000 || (first == 0x2001 && second == 0xdb8), "the address is reserved"),
    ];
    kinds.into_iter().find(|(is, _)| *is).map(|(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_reached() {
        for public in ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::200e"] {
            assert_eq!(pinned(&[public.parse().unwrap()]), Ok(public.parse().unwrap()), "{public}");
        }
        for not in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "100::1",
        ] {
            assert!(pinned(&[not.parse().unwrap()]).is_err(), "{not}");
        }
    }

    #[test]
    fn a_name_that_is_private_too_is_refused_whatever_comes_first() {
        let [public, private]: [IpAddr; 2] = ["1.1.1.1", "10.0.0.1"].map(|text| text.parse().unwrap());
        assert_eq!(pinned(&[public, private]), Err("the address is private"));
        assert_eq!(pinned(&[private, public]), Err("the address is private"));
        assert_eq!(pinned(&[]), Err("the name has no address"));
    }
}
