//! `KEY=VALUE` on a command line.

/// The key and the value, without the space around them.
pub(crate) fn read_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it has no `=`")?;
    match key.trim() {
        "" => Err("the key is empty".to_owned()),
        key => Ok((key.to_owned(), value.trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_split_once() {
        assert_eq!(read_setting("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(read_setting(" a = "), Ok(("a".to_owned(), String::new())));
        assert!(read_setting("a").is_err());
        assert!(read_setting("=b").is_err());
    }
}
