//! Enums that are one byte on the wire.

/// Declares a field-less enum, the byte of each variant, and the way back.
macro_rules! byte_enum {
    (
        $(#[$meta:meta])*
        $what:literal $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $byte:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// The byte that stands for it in a transaction.
            pub const fn byte(self) -> u8 {
                match self {
                    $($name::$variant => $byte,)+
                }
            }

            pub(crate) fn read(reader: &mut crate::reader::Reader<'_>) -> crate::reader::Read<Self> {
                match reader.byte()? {
                    $($byte => Ok($name::$variant),)+
                    byte => Err(crate::DecodeError::Unknown { what: $what, byte }),
                }
            }
        }
    };
}

pub(crate) use byte_enum;
