# What the Redmine of demos and tests holds, made through its own models. Run by redmine_up.sh, inside Redmine.
# A changed seed is another template in the cache: nothing else has to be raised.

Redmine::DefaultData::Loader.load('en')
Setting.rest_api_enabled = '1'
Setting.login_required = '1'
Setting.default_language = 'en'
Setting.default_projects_public = '0'
Setting.timespan_format = 'decimal'
Setting.notified_events = []
Setting.app_title = 'Meridian projects'

def person(login, first, last, admin: false, status: User::STATUS_ACTIVE)
  user = User.find_by_login(login) || User.new
  user.login = login
  user.firstname, user.lastname = first, last
  user.mail = "#{login}@example.com"
  user.language = 'en'
  user.admin = admin
  user.password = user.password_confirmation = ENV.fetch('SEED_PASSWORD')
  user.must_change_passwd = false
  user.status = status
  user.mail_notification = 'none'
  user.save!
  user.api_key
  user
end

admin = person('admin', 'Redmine', 'Admin', admin: true)
User.current = admin
gateway = person('gateway', 'Integration', 'Gateway', admin: true)
ana = person('ana.ruiz', 'Ana', 'Ruiz')
ben = person('ben.okafor', 'Ben', 'Okafor')
person('chloe.martin', 'Chloe', 'Martin')
person('dora.lind', 'Dora', 'Lind', status: User::STATUS_LOCKED)

manager = Role.find_by_name('Manager')
developer = Role.find_by_name('Developer')
[manager, developer].each do |role|
  role.add_permission!(:log_time, :view_time_entries, :edit_own_time_entries)
end
manager.add_permission!(:edit_time_entries, :log_time_for_other_users)

# Whoever has this role in a project sees the approval of time, and sets it; Redmine asks for no more than that.
approver = Role.create!(name: 'Approver', permissions: manager.permissions)

trackers = Tracker.all.to_a

def field(kind, name, format, extra = {})
  kind.create!({name: name, field_format: format, is_filter: true, visible: true}.merge(extra))
end

# Of every Redmine that books work for an ERP.
customer = field(ProjectCustomField, 'Customer', 'string', searchable: true)
field(ProjectCustomField, 'ERP project', 'string', searchable: true)
billing = field(ProjectCustomField, 'Billing', 'list',
                possible_values: ['Time and materials', 'Fixed price', 'Not billable'],
                default_value: 'Time and materials')
rate = field(ProjectCustomField, 'Hourly rate', 'float')
field(IssueCustomField, 'ERP task', 'string', is_for_all: true, trackers: trackers)
approval = field(TimeEntryCustomField, 'Approval', 'list',
                 possible_values: %w[Open Submitted Approved Rejected Invoiced],
                 visible: false, roles: [approver])
field(TimeEntryCustomField, 'Billable', 'bool', default_value: '1')
field(TimeEntryCustomField, 'ERP reference', 'string')

# What the gateway needs: docs/how-to/connect-a-redmine.md.
field(ProjectCustomField, 'Tiebeam key', 'string')
field(ProjectCustomField, 'Tiebeam state', 'list', possible_values: ['Setting up', 'Cancelled'])
field(ProjectCustomField, 'Project code', 'string', searchable: true)
field(ProjectCustomField, 'Legal entity', 'string')
field(ProjectCustomField, 'Customer key', 'string')
field(ProjectCustomField, 'Start date', 'date')
field(ProjectCustomField, 'End date', 'date')
field(IssueCustomField, 'Tiebeam key', 'string', is_for_all: true, trackers: trackers)
field(VersionCustomField, 'Tiebeam key', 'string')
field(ProjectCustomField, 'Billing hold', 'bool')
field(ProjectCustomField, 'Billing hold note', 'text')
field(TimeEntryCustomField, 'Billing feedback', 'text')

activity = TimeEntryActivity.where(name: 'Development').first
tracker = Tracker.where(name: 'Feature').first
monday = Date.today - (Date.today.wday + 6) % 7 - 7

[['website-renewal', 'Website renewal', 'Alder Foods', '95'],
 ['warehouse-integration', 'Warehouse integration', 'Birch Logistics', '110']].each do |identifier, name, client, price|
  project = Project.new(name: name, identifier: identifier, is_public: false)
  project.enabled_module_names = %w[issue_tracking time_tracking]
  project.trackers = trackers
  project.custom_field_values = {
    customer.id.to_s => client, billing.id.to_s => 'Time and materials', rate.id.to_s => price
  }
  project.save!
  {gateway => manager, ana => developer, ben => developer}.each do |user, role|
    Member.create!(principal: user, project: project, roles: [role])
  end
  %w[Discovery Build].each_with_index do |subject, position|
    issue = Issue.create!(project: project, tracker: tracker, author: admin, subject: subject,
                          estimated_hours: 16 + 40 * position, assigned_to: [ana, ben][position])
    3.times do |day|
      entry = TimeEntry.new(project: project, issue: issue, user: [ana, ben][position], author: admin,
                            activity: activity, spent_on: monday + day, hours: 4 + day * 0.5,
                            comments: "#{subject}, day #{day + 1}")
      entry.custom_field_values = {approval.id.to_s => day.zero? ? 'Approved' : 'Submitted'}
      entry.save!
    end
  end
end
