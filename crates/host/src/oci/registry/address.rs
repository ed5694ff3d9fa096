//! Addresses that a registry gives: taken apart in one way, and shown without what may be secret in them.

/// `<…>; rel="next"` (RFC 8288).
pub(super) fn next_page(link: &str) -> Option<&str> {
    let (address, rest) = link.strip_prefix('<')?.split_once('>')?;
    let is_next = rest.contains("rel=\"next\"") || rest.contains("rel=next");
    is_next.then_some(address)
}

/// Scheme and host of an address, without anybody's name before it.
pub(super) fn origin(address: &str) -> Option<&str> {
    let start = address.find("://")? + 3;
    let host = address.get(start..)?;
    let end = host
        .find(['/', '?', '#'])
        .map_or(address.len(), |end| start + end);
    let origin = address.get(..end)?;
    (!origin.contains('@')).then_some(origin)
}

/// Where an answer of `address` leads: to another address, or to another path of the same host.
pub(super) fn absolute(address: &str, to: &str) -> Option<String> {
    let is_plain = to.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain || to.contains('\\') {
        return None;
    }
    if to.starts_with("https://") || to.starts_with("http://") {
        return origin(to).map(|_| to.to_owned());
    }
    let is_path = to.starts_with('/') && !to.starts_with("//");
    is_path.then(|| format!("{}{to}", origin(address).unwrap_or_default()))
}

/// An address for a person: what follows a `?` may be a secret, and anything may be long.
pub(super) fn shown(address: &str) -> String {
    let path = address.split('?').next().unwrap_or_default();
    path.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_one_way() {
        assert_eq!(origin("https://h:1/a?b"), Some("https://h:1"));
        assert_eq!(origin("https://h?b"), Some("https://h"));
        assert_eq!(origin("https://h@other/"), None);
        let from = "https://h/v2/a";
        for (to, leads) in [
            ("/v2/b?x=1", Some("https://h/v2/b?x=1")),
            ("https://other/b", Some("https://other/b")),
            ("//other/b", None),
            ("b", None),
            ("", None),
            ("ftp://h/b", None),
            ("https://h@other/b", None),
            ("/\\other", None),
            ("/a b", None),
        ] {
            assert_eq!(absolute(from, to).as_deref(), leads, "{to}");
        }
        assert_eq!(next_page("</v2/m?n=2>; rel=\"next\""), Some("/v2/m?n=2"));
        assert_eq!(next_page("</v2/m>; rel=\"prev\""), None);
        assert_eq!(next_page("x"), None);
    }
}
