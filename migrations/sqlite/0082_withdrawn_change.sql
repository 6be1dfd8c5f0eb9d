-- A proposed change of departments that was taken back.

alter table department_change add column withdrawn blob -- The statement that took it back; null when nobody did.
    constraint "department_change.withdrawn is a statement" references statement (digest)
    constraint "department_change.withdrawn was not done" check (withdrawn is null or statement is null);
