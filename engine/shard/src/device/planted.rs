//! The fault that a test planted in this engine.

use crate::api::Planted;

/// None in a broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlantedFault(Option<Planted>);

impl PlantedFault {
    pub(crate) fn new(planted: Option<Planted>) -> PlantedFault {
        PlantedFault(planted)
    }

    pub(crate) fn is(self, fault: Planted) -> bool {
        self.0 == Some(fault)
    }

    pub(crate) fn get(self) -> Option<Planted> {
        self.0
    }
}
