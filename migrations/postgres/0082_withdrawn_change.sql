-- A proposed change of departments that was taken back.

alter table department_change
    add column withdrawn bytea,
    add constraint "department_change.withdrawn is a statement" foreign key (withdrawn) references statement (digest),
    add constraint "department_change.withdrawn was not done" check (withdrawn is null or statement is null);

comment on column department_change.withdrawn is 'The statement that took it back; null when nobody did.';
