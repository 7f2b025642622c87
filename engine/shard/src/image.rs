//! The newest metadata that a shard has seen.

use std::cell::RefCell;
use std::sync::Arc;

use millrace_core::meta::MetadataImage;

/// Lives on one shard.
pub(crate) struct CurrentImage {
    image: RefCell<Arc<MetadataImage>>,
}

impl CurrentImage {
    pub(crate) fn new(image: Arc<MetadataImage>) -> CurrentImage {
        CurrentImage { image: RefCell::new(image) }
    }

    pub(crate) fn get(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.image.borrow())
    }

    /// Looks at it without taking a share of it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&MetadataImage) -> T) -> T {
        look(&self.image.borrow())
    }

    /// Puts a newer one into its place; returns the one before.
    pub(crate) fn replace(&self, image: Arc<MetadataImage>) -> Arc<MetadataImage> {
        self.image.replace(image)
    }
}
