// Questions that show what can be asked; those are offered whose tables the city has.

export interface Example {
  /** Key of its title. */
  title: string
  table: string
  columns: string[]
  sql: string
  view: 'table' | 'chart' | 'map'
}

export const EXAMPLES: Example[] = [
  {
    title: 'analyst.example_air', table: 'AirQualityObserved', columns: ['pm25'], view: 'chart',
    sql: "SELECT time_bucket(INTERVAL '10 minutes', time) AS t, avg(pm25) AS pm25, max(pm25) AS highest\nFROM AirQualityObserved\nGROUP BY t\nORDER BY t DESC\nLIMIT 500",
  },
  {
    title: 'analyst.example_worst', table: 'AirQualityObserved', columns: ['pm25', 'location_longitude'], view: 'map',
    sql: 'SELECT entity, round(avg(pm25), 1) AS pm25,\n  max(location_longitude) AS longitude, max(location_latitude) AS latitude\nFROM AirQualityObserved\nGROUP BY entity\nORDER BY pm25 DESC NULLS LAST\nLIMIT 30',
  },
  {
    title: 'analyst.example_parking', table: 'OffStreetParking', columns: ['availableSpotNumber'], view: 'chart',
    sql: "SELECT time_bucket(INTERVAL '10 minutes', time) AS t, entity, min(availableSpotNumber) AS free\nFROM OffStreetParking\nWHERE availableSpotNumber IS NOT NULL\nGROUP BY t, entity\nORDER BY entity, t DESC\nLIMIT 2000",
  },
  {
    title: 'analyst.example_traffic', table: 'TrafficFlowObserved', columns: ['intensity', 'averageVehicleSpeed'], view: 'chart',
    sql: 'SELECT hour(time) AS hour, avg(intensity) AS vehicles, avg(averageVehicleSpeed) AS speed\nFROM TrafficFlowObserved\nGROUP BY hour\nORDER BY hour',
  },
  {
    title: 'analyst.example_what', table: 'history', columns: ['attribute'], view: 'table',
    sql: 'SELECT type, attribute, count(*) AS n, count(DISTINCT entity) AS things, min(time) AS first, max(time) AS last\nFROM history\nGROUP BY ALL\nORDER BY n DESC\nLIMIT 200',
  },
]

export interface Table {
  name: string
  about: string
  columns: { name: string; type: string; unit: string; about: string }[]
}

/** The examples that the tables of this city can answer. */
export function possible(tables: Table[]): Example[] {
  return EXAMPLES.filter((example) => {
    const names = tables.find((one) => one.name === example.table)?.columns.map((one) => one.name) ?? []
    return example.columns.every((name) => names.includes(name))
  })
}
