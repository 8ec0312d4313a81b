//! The sorts of problems there are. Each has a code that stays, and a page that explains it.

/// What `docs/errors` says about one sort of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its code, such as `E0303`. It is never given to another sort of problem.
    pub code: &'static str,
    /// What problems it stands among.
    pub section: &'static str,
    /// What is wrong, in a line. Lower case, no full stop.
    pub title: &'static str,
    /// Markdown: what it means, an example of it, the example put right, and what to do.
    pub text: &'static str,
}

/// Declares an enum of problems: by section, each with its code, its name and its title.
///
/// A code without a page does not compile. The crate that uses it depends on serde.
#[macro_export]
macro_rules! codes {
    (
        $(#[$about:meta])*
        pub enum $name:ident {
            $($section:literal { $($code:ident $variant:ident = $title:literal,)+ })+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = concat!("`", stringify!($code), "`: ", $title, ".")] $variant,)+)+
        }

        impl $name {
            /// Every code, in order.
            pub const ALL: &[$name] = &[$($($name::$variant,)+)+];

            /// What explains it.
            pub const fn page(self) -> &'static $crate::Page {
                match self {
                    $($($name::$variant => &$crate::Page {
                        code: stringify!($code),
                        section: $section,
                        title: $title,
                        text: include_str!(concat!(
                            env!("CARGO_MANIFEST_DIR"), "/../docs/errors/", stringify!($code), ".md"
                        )),
                    },)+)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.page().code)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                let found = $name::ALL.iter().find(|code| code.page().code == text);
                found.copied().ok_or_else(|| {
                    serde::de::Error::custom(format_args!("there is no code `{text}`"))
                })
            }
        }
    };
}

codes! {
    /// What can be wrong with a spec directory.
    pub enum Code {
        "Reading files" {
            E0101 NoDirectory = "there is no spec directory",
            E0102 FileUnreadable = "a spec file cannot be read",
            E0103 FileIrregular = "a spec file is not a regular file",
            E0104 FileTooLarge = "a spec file is too large",
            E0105 FileNotUtf8 = "a spec file is not UTF-8",
            E0106 LinkLoop = "a link leads back to a directory that contains it",
        }
        "TOML" {
            E0201 TomlSyntax = "a spec file is not TOML",
            E0202 TomlDuplicateKey = "a key stands twice in one table",
        }
        "Kinds, names and fields" {
            E0301 UnknownKind = "there is no such kind",
            E0302 UnknownField = "an entry has no such field",
            E0303 MissingField = "an entry lacks a field it needs",
            E0304 WrongType = "a value is of the wrong type",
            E0305 NumberOutOfRange = "a number is too small or too large",
            E0306 UnknownChoice = "a value is none of those to choose from",
            E0307 TooShort = "a text or list is empty that must not be",
            E0308 MalformedName = "a name is not one an entry can have",
            E0309 NulCharacter = "a text holds a NUL character",
        }
        "Quantities" {
            E0401 MalformedAddress = "an address cannot be read",
            E0402 MalformedByteSize = "an amount of memory or disk cannot be read",
            E0403 MalformedCpu = "a number of cores cannot be read",
            E0404 MalformedDuration = "a length of time cannot be read",
            E0405 MalformedMoney = "an amount of money cannot be read",
            E0406 MalformedCurrency = "a currency cannot be read",
            E0407 MalformedCidr = "a range of addresses cannot be read",
            E0408 MalformedIp = "an IP address cannot be read",
            E0409 MalformedPorts = "a range of ports cannot be read",
            E0410 MalformedMountPath = "a path in a container cannot be read",
            E0411 MalformedEndpoint = "an endpoint cannot be read",
            E0412 MalformedHostKey = "the fingerprint of a machine cannot be read",
            E0413 MalformedAdopted = "the name of an adopted thing cannot be read",
            E0414 MalformedUrl = "where an API listens cannot be read",
            E0415 MalformedFingerprint = "the fingerprint of a certificate cannot be read",
            E0416 MalformedIds = "a range of ids cannot be read",
            E0417 MalformedPublicKey = "the public key of a tunnel cannot be read",
            E0418 MalformedMoment = "a date and time cannot be read",
            E0419 MalformedPercent = "a number of percent cannot be read",
        }
        "How entries fit together" {
            E0501 DeclaredTwice = "an entry is declared twice",
            E0502 Dangling = "an entry refers to something no spec defines",
            E0503 Cycle = "a container waits for itself",
            E0504 CannotDependOn = "a container depends on something that cannot be waited for",
            E0505 MovedKind = "an entry says it was of another kind",
            E0506 MovedDeclared = "an entry says it was something that is still declared",
            E0507 MovedTwice = "two entries say they were the same thing",
            E0508 AdoptedTwice = "two entries adopt the same thing",
            E0509 OrdersUnreadable = "a file of orders cannot be read",
            E0510 OrderDeclared = "a spec declares what a customer ordered",
            E0511 VersionMissing = "an order is one of a version that is not there",
            E0512 VersionChanged = "a version is not what its name says",
            E0513 OrderSecret = "an order refers to a secret of the operator",
        }
        "Docker" {
            E0601 NoConnection = "there is no connection to live on",
            E0602 WhichConnection = "an entry does not say which connection it lives on",
            E0603 OtherConnection = "a container and what it uses live on different connections",
            E0604 PortTaken = "two containers publish the same port",
            E0605 MountedTwice = "two volumes are mounted at one path",
            E0606 ReadyUnpublished = "a container is ready by a port it does not publish",
            E0607 ReadyUnchecked = "a container is ready when healthy, but has no health check",
            E0608 TooLittleMemory = "a container gets less memory than Docker takes",
            E0609 MalformedVariable = "a variable has a name or value no process can have",
            E0610 PortRangesOverlap = "two port ranges hold the same ports",
            E0611 BridgeTooNarrow = "networks are carved from fewer addresses than they have",
            E0612 BridgeTwice = "two bridges carve networks on one connection",
            E0613 NetworkInBridge = "a network takes addresses that a bridge carves for tenants",
            E0614 NoHostKey = "nothing says which machine is meant behind ssh",
            E0615 NotOverSsh = "a connection has keys for ssh and is not reached over it",
        }
        "Renting out" {
            E0701 ImageEmpty = "an image is neither a container nor a virtual machine",
            E0702 OfferEmpty = "an offer does not say what is rented",
            E0703 OfferAmbiguous = "an offer is more than one thing",
            E0704 PriceBelowZero = "a price is below zero",
            E0705 PriceWithoutCurrency = "a price has no currency",
            E0706 OfferWithoutImage = "an offer has no image to run",
            E0707 ImageNotForContainers = "an offer of containers has an image that is not for them",
            E0708 MalformedOwner = "an owner is not a mail address",
            E0709 OnlyReserved = "an instance is something that is only reserved",
            E0710 ImageNotOffered = "an instance runs an image its offer does not have",
            E0711 WhichImage = "an instance does not say which image it runs",
            E0712 LocationNotOffered = "an instance runs where its offer is not sold",
            E0713 NoHost = "an instance has no host to run on",
            E0714 NoBridge = "an instance may run on a host without a bridge for tenants",
            E0715 QuotaExceeded = "a tenant has more than its quota allows",
            E0716 SupernetExhausted = "a bridge has no room for all tenants",
            E0717 ImageNotForGuests = "an offer of virtual machines has an image that is not for them",
            E0718 UnevenSizes = "a choice of sizes cannot be gone through in its steps",
            E0719 SizeNotOffered = "an instance has a size its offer does not have",
            E0720 NotApplicable = "a field is said of something that has no use for it",
            E0721 MalformedLoginKey = "a key is not a line of `authorized_keys`",
            E0722 MalformedUser = "a user has a name that no system takes",
            E0723 NoCluster = "a virtual machine has no cluster to run on",
            E0724 NoPublicAddress = "a virtual machine is to have a public address, and there are none",
            E0725 AdoptedWhere = "a machine is adopted from one of several clusters",
            E0726 PoolWithoutImage = "a pool makes machines and has no image for them",
            E0727 TooFewPorts = "a pool has fewer ports than machines",
            E0728 AccessImpossible = "the machines of a pool cannot be entered as it says",
            E0729 CleaningImpossible = "the machines of a pool cannot be cleaned as it says",
            E0730 MachineNameTaken = "an entry is called as a machine that a pool makes",
            E0731 PoolMakesItsOwn = "a machine is declared in a pool that makes its own",
            E0732 NoWayIn = "nothing, or more than one thing, says how a machine is entered",
            E0733 MachineTwice = "two entries are the same machine",
            E0734 OfferWithoutPool = "an offer of machines has no pool to take them from",
            E0735 ReservationTimes = "the times of a reservation contradict each other",
            E0740 PriceTooHigh = "a price is higher than can be billed",
            E0741 CapWithoutPrice = "a price is capped that is none",
            E0742 UnknownTimezone = "nobody knows the time zone",
            E0743 PromoAmbiguous = "a promo code gives nothing, or more than one thing",
            E0744 AmountBelowZero = "an amount is below zero",
            E0745 PromoNeverValid = "a promo code ends before it begins",
            E0746 PromoOtherCurrency = "a promo code is in another currency than what it is for",
            E0747 SignupUndecided = "what new tenants get leaves something to choose",
        }
        "Secrets" {
            E0801 MalformedSecret = "a reference to a secret cannot be read",
            E0802 LiteralSecret = "a secret is written down",
        }
        "Hypervisors and firewalls" {
            E0901 NodeTwice = "a cluster names a node twice",
            E0902 UnknownNode = "a cluster keeps guests off a node it does not name",
            E0903 FirewallCredentials = "nobody, or more than one, speaks for us to a firewall",
            E0904 VlanCarrier = "nothing, or more than one thing, carries VLANs to guests",
            E0905 VlanTagsOverlap = "a VLAN's tag is given twice",
            E0906 AddressPoolsOverlap = "two pools hold the same addresses",
            E0907 ReservedElsewhere = "a pool reserves an address it does not have",
            E0908 MalformedEnd = "a rule names an end that no firewall knows",
            E0909 OtherFirewall = "an entry names something that is behind another firewall",
            E0910 VlanWithoutInterface = "a rule is about a VLAN on which the firewall has no interface",
            E0911 VlanWithoutCard = "a VLAN is behind a firewall, and no card of it carries it",
            E0912 PortsWithoutProtocol = "ports are named of a protocol that has none",
            E0913 MalformedTarget = "a port leads to nothing that it can lead to",
            E0914 FirewallPortTaken = "a port of a firewall is used twice",
            E0915 PeerAddress = "a peer has no address of its own in the tunnel",
            E0916 PeerKeyTwice = "two peers of a tunnel have the same key",
            E0917 VlanRangeTwice = "two ranges give VLANs on one cluster",
            E0918 OtherLocation = "a cluster and its firewall stand in different locations",
            E0919 NetworksOverlap = "two networks of a firewall have the same addresses",
            E0920 VlansExhausted = "a range has no VLAN for all tenants",
            E0921 NetworkTooSmall = "a network has no room for the firewall and somebody else",
            E0922 OutboundOverlap = "packets that leave are given two sources",
            E0923 TargetHandedOut = "packets that leave get an address that is handed out",
        }
    }
}
