//! What a machine on the same LAN, outside the cluster, sees of an address.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use metallb_testbed::Bed;
use metallb_testbed::wait::{self, Seen, seen};

/// The machine that looks.
pub const CLIENT: &str = "client";

/// Who answered a request, and from which address it was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Name of the pod.
    pub pod: String,
    /// The source address the pod saw.
    pub source: IpAddr,
}

/// Asks by ARP or neighbour solicitation who has the address: what the tool says, in lower case;
/// it names the hardware address of whoever answered within a second.
pub fn ask(bed: &Bed, address: IpAddr) -> Result<String> {
    let ask = match address {
        IpAddr::V4(v4) => format!("arping -c1 -w1 -I eth0 {v4}"),
        IpAddr::V6(v6) => format!("ndisc6 -1 -r1 -w1000 {v6} eth0"),
    };
    // Both end with a failure when nobody answers, and with 127 when they are missing.
    let said = bed.run(CLIENT, &["sh", "-c", &format!("{ask} || [ $? -le 2 ]")])?.stdout;
    Ok(said.to_ascii_lowercase())
}

/// The node that answers for the address, if one does within a second.
pub fn owner(bed: &Bed, address: IpAddr) -> Result<Option<String>> {
    let said = ask(bed, address)?;
    for node in bed.node_names() {
        if said.contains(&bed.mac(&node)?) {
            return Ok(Some(node));
        }
    }
    Ok(None)
}

/// Waits until some node answers for the address, other than `not`, and returns it.
pub fn wait_owner(bed: &Bed, address: IpAddr, not: Option<&str>, deadline: Duration) -> Result<String> {
    let what = format!("a node that answers for {address}, other than {not:?}");
    wait::until(&what, deadline, || {
        Ok(match owner(bed, address)? {
            Some(node) if Some(node.as_str()) != not => Seen::Done(node),
            other => Seen::NotYet(format!("{other:?}")),
        })
    })
}

/// Waits until nobody answers for the address.
pub fn wait_silence(bed: &Bed, address: IpAddr, deadline: Duration) -> Result<()> {
    wait::until(&format!("silence about {address}"), deadline, || {
        let owner = owner(bed, address)?;
        Ok(seen(owner.is_none(), format!("{owner:?}")))
    })
}

/// Fetches from port 80 of the address, waiting for the path to come up.
pub fn fetch(bed: &Bed, address: IpAddr) -> Result<Answer> {
    wait::until(&format!("an answer from {address}"), Duration::from_secs(15), || {
        Ok(match fetch_once(bed, address) {
            Ok(answer) => Seen::Done(answer),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        })
    })
}

/// Fetches once, giving up after two seconds.
pub fn fetch_once(bed: &Bed, address: IpAddr) -> Result<Answer> {
    let url = match address {
        IpAddr::V4(v4) => format!("http://{v4}/"),
        IpAddr::V6(v6) => format!("http://[{v6}]/"),
    };
    let body = bed.run(CLIENT, &["curl", "-sS", "--fail", "-g", "-m2", &url])?.stdout;
    let (pod, source) = body.trim().split_once(' ').with_context(|| format!("{url} said {body:?}"))?;
    let source = source.trim_matches(['[', ']']).trim_start_matches("::ffff:");
    Ok(Answer {
        pod: pod.to_owned(),
        source: source.parse().with_context(|| format!("{url} said {body:?}"))?,
    })
}

/// The looking machine's own address, of the family of `like`.
pub fn own_address(bed: &Bed, like: IpAddr) -> Result<IpAddr> {
    Ok(match like {
        IpAddr::V4(_) => bed.v4(CLIENT)?.into(),
        IpAddr::V6(_) => bed.v6(CLIENT)?.into(),
    })
}

/// Makes the machine forget every neighbour it knows, so that it has to ask again.
pub fn forget_neighbours(bed: &Bed) -> Result<()> {
    bed.run(CLIENT, &["ip", "neigh", "flush", "dev", "eth0"]).map(|_| ())
}
