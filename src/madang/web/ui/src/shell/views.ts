// Every view of the control room: its address, what it is called, who may see it, where its code is.
import Activity from '@lucide/svelte/icons/activity'
import BellRing from '@lucide/svelte/icons/bell-ring'
import BookOpen from '@lucide/svelte/icons/book-open'
import Boxes from '@lucide/svelte/icons/boxes'
import Contact from '@lucide/svelte/icons/contact'
import Cpu from '@lucide/svelte/icons/cpu'
import Database from '@lucide/svelte/icons/database'
import FileSearch from '@lucide/svelte/icons/file-search'
import Fingerprint from '@lucide/svelte/icons/fingerprint'
import FlaskConical from '@lucide/svelte/icons/flask-conical'
import Gauge from '@lucide/svelte/icons/gauge'
import KeyRound from '@lucide/svelte/icons/key-round'
import LayoutDashboard from '@lucide/svelte/icons/layout-dashboard'
import ListChecks from '@lucide/svelte/icons/list-checks'
import MailWarning from '@lucide/svelte/icons/mail-warning'
import MapIcon from '@lucide/svelte/icons/map'
import Rss from '@lucide/svelte/icons/rss'
import Scale from '@lucide/svelte/icons/scale'
import Siren from '@lucide/svelte/icons/siren'
import SlidersHorizontal from '@lucide/svelte/icons/sliders-horizontal'
import TriangleAlert from '@lucide/svelte/icons/triangle-alert'
import Users from '@lucide/svelte/icons/users'
import Workflow from '@lucide/svelte/icons/workflow'
import Zap from '@lucide/svelte/icons/zap'
import type { Component } from 'svelte'

export interface View {
  /** Address below the control room; `:name` is a part that the page gets as a property. */
  path: string
  /** Key of its name in the catalogue of texts. */
  title: string
  /** Action that one must be allowed (`session.may`); without one, everybody who has signed in. */
  may?: string
  /** Group in the navigation; views without one are reached from others. */
  group?: 'watch' | 'operate' | 'analyse' | 'manage'
  icon?: Component
  load: () => Promise<{ default: Component<any> }>
}

export const VIEWS: View[] = [
  { path: '/', title: 'views.overview', group: 'watch', icon: Gauge, load: () => import('../overview/Overview.svelte') },
  { path: '/map', title: 'views.map', group: 'watch', icon: MapIcon, load: () => import('../map/MapPage.svelte') },
  { path: '/entities', title: 'views.entities', group: 'watch', icon: Boxes, load: () => import('../entity/Entities.svelte') },
  { path: '/entities/:id', title: 'views.entity', load: () => import('../entity/EntityPage.svelte') },
  { path: '/dashboards', title: 'views.dashboards', group: 'watch', icon: LayoutDashboard, load: () => import('../dashboards/Dashboards.svelte') },
  { path: '/dashboards/:name', title: 'views.dashboard', load: () => import('../dashboards/DashboardPage.svelte') },

  { path: '/alarms', title: 'views.alarms', group: 'operate', icon: TriangleAlert, load: () => import('../operations/Alarms.svelte') },
  { path: '/incidents', title: 'views.incidents', may: 'seeIncidents', group: 'operate', icon: Siren, load: () => import('../operations/Incidents.svelte') },
  { path: '/incidents/:id', title: 'views.incident', may: 'seeIncidents', load: () => import('../operations/IncidentPage.svelte') },
  { path: '/playbooks', title: 'views.playbooks', may: 'seeIncidents', group: 'operate', icon: BookOpen, load: () => import('../operations/Playbooks.svelte') },
  { path: '/contacts', title: 'views.contacts', may: 'manageIncidents', group: 'operate', icon: Contact, load: () => import('../operations/Contacts.svelte') },
  { path: '/commands', title: 'views.commands', group: 'operate', icon: Zap, load: () => import('../operations/Commands.svelte') },
  { path: '/commands/:id', title: 'views.command', load: () => import('../operations/CommandPage.svelte') },
  { path: '/devices', title: 'views.devices', may: 'seeDevices', group: 'operate', icon: Cpu, load: () => import('../devices/Devices.svelte') },
  { path: '/devices/:id', title: 'views.device', may: 'seeDevices', load: () => import('../devices/DevicePage.svelte') },
  { path: '/letters', title: 'views.letters', may: 'seeDevices', group: 'operate', icon: MailWarning, load: () => import('../devices/Letters.svelte') },
  { path: '/feeds', title: 'views.feeds', may: 'seeDevices', group: 'operate', icon: Rss, load: () => import('../devices/Feeds.svelte') },
  { path: '/feeds/:name', title: 'views.feed', may: 'seeDevices', load: () => import('../devices/FeedPage.svelte') },
  { path: '/nodes', title: 'views.nodes', may: 'seeDevices', group: 'operate', icon: Activity, load: () => import('../devices/Nodes.svelte') },
  { path: '/subscriptions', title: 'views.subscriptions', may: 'subscribe', group: 'operate', icon: BellRing, load: () => import('../subscriptions/Subscriptions.svelte') },
  { path: '/subscriptions/:id', title: 'views.subscription', may: 'subscribe', load: () => import('../subscriptions/SubscriptionPage.svelte') },
  { path: '/services', title: 'views.services', may: 'seeServices', group: 'operate', icon: Workflow, load: () => import('../services/Services.svelte') },
  { path: '/services/:name', title: 'views.service', may: 'seeServices', load: () => import('../services/ServicePage.svelte') },
  { path: '/decisions', title: 'views.decisions', group: 'operate', icon: Scale, load: () => import('../services/Decisions.svelte') },
  { path: '/decisions/:id', title: 'views.decision', load: () => import('../services/DecisionPage.svelte') },
  { path: '/rules', title: 'views.rules', may: 'seeServices', group: 'operate', icon: ListChecks, load: () => import('../services/Rules.svelte') },
  { path: '/rules/:name', title: 'views.rule', may: 'seeServices', load: () => import('../services/RulePage.svelte') },

  { path: '/twin', title: 'views.twin', may: 'seeServices', group: 'analyse', icon: FlaskConical, load: () => import('../twin/Twin.svelte') },
  { path: '/twin/:id', title: 'views.trial', may: 'seeServices', load: () => import('../twin/TrialPage.svelte') },
  { path: '/query', title: 'views.query', group: 'analyse', icon: Database, load: () => import('../analyst/QueryPage.svelte') },

  { path: '/people', title: 'views.people', may: 'managePeople', group: 'manage', icon: Users, load: () => import('../admin/People.svelte') },
  { path: '/people/:name', title: 'views.person', may: 'managePeople', load: () => import('../admin/PersonPage.svelte') },
  { path: '/keys', title: 'views.keys', may: 'managePeople', group: 'manage', icon: KeyRound, load: () => import('../admin/Keys.svelte') },
  { path: '/policies', title: 'views.policies', may: 'managePolicies', group: 'manage', icon: SlidersHorizontal, load: () => import('../admin/Policies.svelte') },
  { path: '/audit', title: 'views.audit', may: 'readAudit', group: 'manage', icon: FileSearch, load: () => import('../admin/Audit.svelte') },
  { path: '/personal', title: 'views.personal', group: 'manage', icon: Fingerprint, load: () => import('../admin/Personal.svelte') },
]
