"""The NGSI-LD core @context as data: its terms, its two prefixes and its URLs.

Only what a name expands to is kept. How values are coerced is fixed by the data model (clause 4.5)
and written down where values are read.
Source: ETSI GS CIM 009 V1.9.1 annex B.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from madang.model.names import is_word

NGSI_LD = "https://uri.etsi.org/ngsi-ld/"
GEO_JSON = "https://purl.org/geojson/vocab#"
DEFAULT_VOCABULARY = NGSI_LD + "default-context/"
PREFIXES = {"ngsi-ld": NGSI_LD, "geojson": GEO_JSON}

_URL = NGSI_LD + "v1/ngsi-ld-core-context-v1.{}.jsonld"
CORE_URL = _URL.format(9)
CORE_URLS = frozenset(_URL.format(minor) for minor in range(3, 10)) | {
    NGSI_LD + "v1/ngsi-ld-core-context.jsonld"
}

# Terms whose IRI is the NGSI-LD namespace followed by the term itself.
_PLAIN_TERMS = """
Attribute AttributeList ContextSourceIdentity ContextSourceNotification ContextSourceRegistration
Date DateTime EntityType EntityTypeInfo EntityTypeList ExecutionResultDetails GeoProperty
JsonProperty LanguageProperty ListProperty ListRelationship Notification Property Relationship
Snapshot SnapshotNotification Subscription TemporalProperty Time VocabProperty

accept aggrMethods aggrParams aggrPeriodDuration attributeList attributeName attributeNames
attributeTypes attributes attrs avg cacheDuration collation contextSourceAlias contextSourceExtras
contextSourceInfo contextSourceTimeAt contextSourceUptime cooldown createdAt csf data datasetId
deletedAt detail distinctCount endAt endTimeAt endpoint entities entity entityCount entityId
entityList error errors expandValues expiresAt format geoQ geoproperty georel idPattern information
instanceId isActive join jsonKeys jsons lang lastFailure lastNotification lastSuccess lastUsedAt
linkedMaps localOnly location management managementInterval max min mode modifiedAt ngsildproof
notUpdated notification notificationTrigger notifiedAt notifierInfo observationInterval
observationSpace observedAt omit operationSpace operations orderBy ordering pick problemDetails
propertyNames q reason receiverInfo refreshRate registrationId registrationName relationshipNames
resultStatus scope scopeQ showChanges snapshotId snapshotLifetime snapshotPriority snapshotQueries
snapshotQueriesDetails snapshotStatus snapshotTemporalQueries snapshotTemporalQueriesDetails
startAt status stddev subscriptionId subscriptionName success sum sumsq sysAttrs temporalQ tenant
throttling timeAt timeInterval timeout timeproperty timerel timesFailed timesSent totalCount
triggerReason typeList typeName typeNames unchanged unitCode updated uri watchedAttributes
"""

# Terms the core @context gives a name of its own in the NGSI-LD namespace.
_RENAMED = {
    "containedBy": "isContainedBy",
    "dataset": "hasDataset",
    "entityMap": "hasEntityMap",
    "joinLevel": "hasJoinLevel",
    "json": "hasJSON",
    "key": "hasKey",
    "languageMap": "hasLanguageMap",
    "languageMaps": "hasLanguageMaps",
    "object": "hasObject",
    "objectList": "hasObjectList",
    "objectLists": "hasObjectLists",
    "objectType": "hasObjectType",
    "objects": "hasObjects",
    "previousJson": "hasPreviousJson",
    "previousLanguageMap": "hasPreviousLanguageMap",
    "previousObject": "hasPreviousObject",
    "previousObjectList": "hasPreviousObjectList",
    "previousValue": "hasPreviousValue",
    "previousValueList": "hasPreviousValueList",
    "previousVocab": "hasPreviousVocab",
    "value": "hasValue",
    "valueList": "hasValueList",
    "valueLists": "hasValueLists",
    "valueType": "hasValueType",
    "values": "hasValues",
    "vocab": "hasVocab",
    "vocabs": "hasVocabs",
    # The annex leaves the namespace out here, so its own @vocab applies.
    "attributeCount": "default-context/attributeCount",
    "attributeDetails": "default-context/attributeDetails",
}

_GEO_JSON_TERMS = """
Feature FeatureCollection GeometryCollection LineString MultiLineString MultiPoint MultiPolygon
Point Polygon bbox coordinates features geometry properties
"""

TERMS: dict[str, str] = {
    "id": "@id",
    "type": "@type",
    "description": "http://purl.org/dc/terms/description",
    "title": "http://purl.org/dc/terms/title",
    "langString": "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString",
    **{term: NGSI_LD + term for term in _PLAIN_TERMS.split()},
    **{term: NGSI_LD + name for term, name in _RENAMED.items()},
    **{term: GEO_JSON + term for term in _GEO_JSON_TERMS.split()},
}
"""What every term of the core @context expands to. No other context can move these."""

_TERM_OF = {iri: term for term, iri in TERMS.items()}


def is_core(url: object) -> bool:
    """Return whether this is the URL of the core @context, in any of its versions."""
    return isinstance(url, str) and url in CORE_URLS


@lru_cache(maxsize=65536)
def canonical(iri: str) -> str:
    """Return the canonical name of an IRI: what compaction with the core @context gives.

    >>> canonical("https://uri.etsi.org/ngsi-ld/location")
    'location'
    >>> canonical("https://uri.etsi.org/ngsi-ld/default-context/speed")
    'speed'
    >>> canonical("https://schema.org/name")
    'https://schema.org/name'
    """
    term = _TERM_OF.get(iri)
    if term is not None:
        return term
    if iri.startswith(DEFAULT_VOCABULARY):
        word = iri[len(DEFAULT_VOCABULARY) :]
        if is_word(word) and word not in TERMS:
            return word
    return shortened(iri, PREFIXES) or iri


def iri_of(name: str) -> str:
    """Return the IRI of a canonical name."""
    iri = TERMS.get(name)
    if iri is not None:
        return iri
    prefix, colon, suffix = name.partition(":")
    if not colon:
        return DEFAULT_VOCABULARY + name
    base = PREFIXES.get(prefix)
    return name if base is None or suffix.startswith("//") else base + suffix


def shortened(iri: str, prefixes: Mapping[str, str]) -> str | None:
    """Return the shortest ``prefix:name`` of an IRI, if there is one.

    Source: JSON-LD 1.1 Processing Algorithms, 7.2 IRI Compaction, step 7.
    """
    found = (
        f"{prefix}:{iri[len(base) :]}"
        for prefix, base in prefixes.items()
        # After a colon, // would make the prefix read as the scheme of an IRI.
        if iri.startswith(base) and len(iri) > len(base) and not iri.startswith("//", len(base))
    )
    return min(found, key=_by_length, default=None)


def _by_length(text: str) -> tuple[int, str]:
    return len(text), text
