"""What a city is made of: entities, attributes, names, time and geometry. Pure: no I/O, no clock.

The **document** is the one form in which an entity travels inside Madang, from the parser to
the store's rows and back: a plain ``dict`` as JSON gives it, in the *normalized* representation of
ETSI GS CIM 009 clause 4.5.1, with these fixed choices:

* ``id``: the URI as text. ``type``: a string, or a list of two or more strings. ``scope``, if
  there is one: a string or a list of strings, as given. Every other member is an attribute.
* Names (entity types, attributes, sub-attributes, ``vocab`` values, ``objectType``) are
  **canonical**: what compaction with the core @context gives, so a name of the default vocabulary
  or the core is a short word (``speed``, ``location``) and every other name is its full IRI. A
  reader without a @context of its own is therefore served the stored text as it is.
* An attribute is always an object with an explicit ``type`` (``Property``, ``GeoProperty``,
  ``Relationship``, ``LanguageProperty``, ``VocabProperty``, ``JsonProperty``, ``ListProperty``,
  ``ListRelationship``), its value member, optionally ``observedAt``, ``unitCode``, ``datasetId``,
  ``valueType``, ``objectType``, and its sub-attributes, which look the same. Several instances
  (clause 4.5.5) are a list of two or more such objects that differ in ``datasetId``; the default
  instance has no ``datasetId``.
* System members (``createdAt``, ``modifiedAt``, ``expiresAt``) are never inside a document. They
  are kept beside it as :class:`madang.model.entity.Times`.
"""
