// Beginnings of feeds: what most publishers offer. Kinds and members: docs/reference/feeds.md.

export const FEED_TEMPLATES: Record<string, string> = {
  json: `kind = "plain"
title = "Earthquakes of the last day (USGS)"
url = "https://earthquake.usgs.gov/earthquakes/feed/v1.0/summary/all_day.geojson"
every = "5min"
provider = "US Geological Survey"
licence = "Public domain"

[parameters]
format = "json"

[mapping]
[mapping.observed]
columns = "time"

[mapping.location]
geometry = "geometry"

[[mapping.entity]]
id = "urn:ngsi-ld:Earthquake:usgs:{id}"
type = "Earthquake"

[mapping.entity.attributes]
name = { column = "place", observed = false }
magnitude = { column = "mag", unit = "C62" }
`,
  csv: `kind = "plain"
title = "Car parks"
url = "https://data.example.org/car-parks.csv"
every = "10min"
provider = "City of Example"
licence = "CC-BY-4.0"

[parameters]
format = "csv"

[mapping]
[mapping.observed]
columns = "updated"
zone = "Asia/Seoul"

[mapping.location]
longitude = "lon"
latitude = "lat"

[[mapping.entity]]
id = "urn:ngsi-ld:OffStreetParking:example:{code}"
type = "OffStreetParking"

[mapping.entity.attributes]
name = { column = "name", observed = false }
totalSpotNumber = { column = "capacity", kind = "integer" }
availableSpotNumber = { column = "free", kind = "integer" }
`,
  gbfs: `kind = "gbfs"
title = "City bikes of Oslo"
url = "https://gbfs.urbansharing.com/oslobysykkel.no/gbfs.json"
every = "1min"
provider = "Oslo Bysykkel"
licence = "NLOD-2.0"

[parameters]
system = "oslo"
`,
  cap: `kind = "cap"
title = "Weather warnings"
url = "https://api.weather.gov/alerts/active.atom?area=NY"
every = "2min"
provider = "US National Weather Service"
licence = "Public domain"

[parameters]
language = "en-US"
status = ["Actual"]
`,
}
